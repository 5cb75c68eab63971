import CLinux
import Glibc
import SunRPC
import Synchronization
import SystemCalls

/// Stands in the cell's root where a server looks for rpcbind(8), so that it neither takes another server's registration away, as what
/// rpcgen(1) makes does at its start, nor is found before it is let in.
final class Registrar: @unchecked Sendable {
    private let book = Mutex(RegistrationBook())
    private let socket: FileDescriptor
    private let path: String

    /// - Parameter root: the root of the cell, in which `/run/rpcbind.sock` is made.
    init(in root: String) throws(MoveError) {
        path = root + "/run/rpcbind.sock"
        mkdir(root + "/run", 0o755)
        let folder = open(root + "/run", O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)
        guard folder >= 0 else { throw MoveError("\(root)/run: \(SystemError.text(of: errno))") }
        defer { _ = Glibc.close(folder) }
        unlinkat(folder, "rpcbind.sock", 0)
        // As the path may be longer than an address of a socket.
        guard var address = CommandSocket.address("/proc/self/fd/\(folder)/rpcbind.sock") else {
            throw MoveError("\(path) is too long")
        }
        let number = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { throw MoveError("socket: \(SystemError.text(of: errno))") }
        socket = FileDescriptor(owning: number)
        let done = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard done == 0, fchmodat(folder, "rpcbind.sock", 0o666, 0) == 0, listen(number, 16) == 0 else {
            throw MoveError("\(path): \(SystemError.text(of: errno))")
        }
        do throws(SystemError) { try DetachedThread.start { [self] in serve() } } catch {
            throw MoveError("\(error)")
        }
    }

    var registrations: [Registration] { book.withLock { $0.registrations } }

    /// Ends it; the server's registrations stay as they were.
    func close() {
        unlink(path)
        shutdown(socket.number, Int32(SHUT_RDWR))
    }

    private func serve() {
        while true {
            let number = clinux_accept(socket.number)
            guard number >= 0 else {
                if errno == EINTR || errno == ECONNABORTED { continue }
                return
            }
            try? DetachedThread.start { [self] in answer(FileDescriptor(owning: number)) }
        }
    }

    private func answer(_ connection: consuming FileDescriptor) {
        var assembler = RecordAssembler(mostBytes: 64 << 10)
        var buffer = [UInt8](repeating: 0, count: 8 << 10)
        while true {
            let count = recv(connection.number, &buffer, buffer.count, 0)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return }
            assembler.add(buffer[..<count])
            while true {
                guard let call = try? assembler.next() else { break }
                guard let reply = book.withLock({ $0.answer(call) }) else { return }
                let record = RecordMark.record(reply)
                guard send(connection.number, record, record.count, Int32(MSG_NOSIGNAL)) == record.count
                else { return }
            }
        }
    }
}
