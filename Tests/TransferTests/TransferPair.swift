import CLinux
import Glibc
import Synchronization
import SystemCalls
import TestSupport
import Transport

@testable import Transfer

/// Two folders, one of which is brought to the other over a pair of sockets.
final class TransferPair {
    let folder: TemporaryFolder
    let progress = TransferProgress()
    let sender: FileSender
    let receiver: FileReceiver
    private let ends: (StreamChannel, StreamChannel)

    var source: String { folder.path + "/source" }
    var destination: String { folder.path + "/destination" }

    init(
        in place: String? = nil, own: String? = nil, owners: OwnerMap = OwnerMap(), leavesEqual: Bool = false
    ) throws {
        folder = TemporaryFolder(in: place)
        mkdir(folder.path + "/source", 0o755)
        mkdir(folder.path + "/destination", 0o755)
        ends = try Self.channels()
        sender = FileSender(over: ends.0, root: folder.path + "/source", progress: progress)
        receiver = try FileReceiver(
            over: ends.1, root: folder.path + "/destination", own: own, owners: owners,
            leavesEqual: leavesEqual)
    }

    static func channels() throws -> (StreamChannel, StreamChannel) {
        var numbers: [Int32] = [0, 0]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &numbers) == 0 else {
            throw Failure("socketpair")
        }
        return (
            StreamChannel(SocketStream(FileDescriptor(owning: numbers[0]))),
            StreamChannel(SocketStream(FileDescriptor(owning: numbers[1])))
        )
    }

    /// A round of everything below the source; what the sender says of it.
    @discardableResult
    func round(mapped: Set<[UInt8]> = [], isMirror: Bool = true) throws -> FileSender.Round {
        let outcome = Outcome()
        let held = Held((receiver, ends.1))
        try DetachedThread.start {
            do {
                try held.value.0.receive()
                outcome.end(nil)
            } catch {
                outcome.end(error)
                held.value.1.close()
            }
        }
        let round: FileSender.Round
        do { round = try sender.send(Self.paths(below: source), mapped: mapped, isMirror: isMirror) } catch {
            ends.0.close()
            if let failure = outcome.wait() { throw failure }
            throw error
        }
        if let failure = outcome.wait() { throw failure }
        return round
    }

    static func paths(below root: String) throws -> [[UInt8]] {
        try RootFolder(root).listing().sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// Everything in a folder that a program could notice, but for the times of change.
    static func picture(of root: String) throws -> [[UInt8]: String] {
        var scan = FileScan(root: root)
        var found: [[UInt8]: String] = [:]
        for path in try paths(below: root) {
            guard let entry = scan.look(at: path)?.entry else { continue }
            var text =
                "\(entry.kind) \(String(entry.mode, radix: 8)) \(entry.user):\(entry.group) \(entry.modified) \(entry.target)"
            text += entry.attributes.map { " \($0.name)=\($0.value)" }.joined()
            if entry.kind == .file || entry.kind == .hardLink {
                text += " \(BlockHash(try contents(root, path)))"
            }
            if entry.kind == .hardLink { text = text.replacing("hardLink", with: "file") }
            found[path] = text
        }
        return found
    }

    static func contents(_ root: String, _ path: [UInt8]) throws -> [UInt8] {
        try FileDescriptor.open(bytes: Array(root.utf8) + path + [0], O_RDONLY).readAll(limit: 1 << 30)
    }
}

extension BlockHash {
    init(_ bytes: [UInt8]) { self = bytes.withUnsafeBytes { BlockHash($0) } }
}

/// Lends a value to another thread, which has it alone meanwhile.
struct Held<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}

/// What another thread came to.
final class Outcome: Sendable {
    private let state = Mutex<(isOver: Bool, failure: (any Error)?)>((false, nil))
    private let event = try! EventDescriptor()

    func end(_ failure: (any Error)?) {
        state.withLock { $0 = (true, failure) }
        event.raise()
    }

    func wait() -> (any Error)? {
        var waiting = pollfd(fd: event.number, events: Int16(POLLIN), revents: 0)
        while !state.withLock({ $0.isOver }) { _ = poll(&waiting, 1, 1000) }
        return state.withLock { $0.failure }
    }
}

/// A folder that goes with its value.
final class TemporaryFolder {
    let path: String

    init(in place: String? = nil) {
        var template = Array("\(place ?? "/tmp")/retinue-test-XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { _ = try? run(["rm", "-rf", path]) }
}
