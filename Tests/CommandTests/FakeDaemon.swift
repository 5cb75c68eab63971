import Control
import Glibc
import Synchronization
import SystemCalls

/// A daemon with canned answers.
final class FakeDaemon: @unchecked Sendable {
    private let server: ControlServer
    private let status: [UInt8]
    /// `nil`: answers with an error.
    private let dump: [UInt8]?
    /// What has changed, for whoever asks after a number; `nil`: answers with an error.
    let changes = Mutex<[UInt8]?>(nil)
    /// The numbers that changes were asked after.
    let asked = Mutex<[UInt32]>([])
    /// What it was asked to forget.
    let forgotten = Mutex<[(filter: ForgetFilter, isDryRun: Bool)]>([])
    private let isStopped = Atomic<Bool>(false)
    private var thread = pthread_t()

    init(path: String, status: String = "{\"ready\":true}", dump: [UInt8]? = nil) throws {
        server = try ControlServer(path: path)
        self.status = Array(status.utf8)
        self.dump = dump
        pthread_create(
            &thread, nil,
            {
                Unmanaged<FakeDaemon>.fromOpaque($0!).takeRetainedValue().serve()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
    }

    func stop() {
        isStopped.store(true, ordering: .relaxed)
        pthread_join(thread, nil)
    }

    private func serve() {
        while !isStopped.load(ordering: .relaxed) {
            wait(server.number)
            guard var connection = try! server.accept() else { continue }
            var request: ControlRequest?
            while request == nil {
                wait(connection.number)
                do { request = try connection.request() } catch { break }
            }
            switch request {
            case .status: try? connection.reply(status: status)
            case .dump where dump != nil: try? connection.reply(dump: file(dump!))
            case .dump: try? connection.reply(error: "the disk is full\u{1b}[31m")
            case .changes(let after, _):
                asked.withLock { $0.append(after) }
                if let lines = changes.withLock({ $0 }) {
                    try? connection.reply(changes: lines)
                } else {
                    try? connection.reply(error: "the disk is full\u{1b}[31m")
                }
            case .forget(let filter, let isDryRun):
                forgotten.withLock { $0.append((filter, isDryRun)) }
                try? connection.reply(forgotten: [
                    ForgottenCount(relation: "file", records: filter.age == nil ? 23 : 0),
                    ForgottenCount(relation: "listen", records: 0),
                    ForgottenCount(relation: "spawn", records: filter.age == nil ? 1 : 0),
                ])
            case nil: break
            }
        }
    }

    private func wait(_ number: Int32) {
        var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        _ = poll(&entry, 1, 10)
    }

    private func file(_ bytes: [UInt8]) -> FileDescriptor {
        var template = Array("/tmp/retinue-dump-XXXXXX".utf8CString)
        let file = FileDescriptor(owning: mkstemp(&template))
        unlink(template)
        bytes.withUnsafeBytes { try! file.writeAll($0) }
        return file
    }
}
