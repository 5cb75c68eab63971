import CLinux
import Glibc
import SystemCalls

/// What keeps a tree stopped that criu(8) has written down, until its file is whole: criu's post-dump script.
///
/// It is this program, executed by criu in its folder of images, and speaks to the one that saves over a socket beside the images: a byte ends the tree, and a connection that is
/// closed, whatever became of who saves, lets it go on. There is no time limit, and nothing that is left waiting.
enum ContextKeeper {
    private static let socketName = "keeper"
    private static let ends: UInt8 = 1

    /// Lays what criu executes as its script, without a shell and without words: this program by a name of its own.
    ///
    /// - Returns: its path.
    static func layScript(in folder: String) throws(MoveError) -> String {
        let path = folder + "/" + scriptName
        guard symlink(try ownPath(), path) == 0 else {
            throw MoveError("\(path): \(SystemError.text(of: errno))")
        }
        return path
    }

    private static let scriptName = "context-keeper"

    /// Whether this program was executed as that script.
    static var isScript: Bool { CommandLine.arguments.first?.hasSuffix("/" + scriptName) == true }

    /// Where this program lies: /proc/self is another one in another pid namespace.
    static func ownPath() throws(MoveError) -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = readlink("/proc/self/exe", &buffer, buffer.count)
        guard length > 0 else { throw MoveError("/proc/self/exe: \(SystemError.text(of: errno))") }
        return String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The script's part. 0 has criu end the tree; anything else has it let the tree go on.
    static func run() -> Int32 {
        guard getenv("CRTOOLS_SCRIPT_ACTION").map({ String(cString: $0) }) == "post-dump" else { return 0 }
        guard var address = CommandSocket.address(socketName) else { return 1 }
        let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { return 1 }
        let isConnected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        var byte: UInt8 = 0
        var count = isConnected ? read(number, &byte, 1) : 0
        while count < 0 && errno == EINTR { count = read(number, &byte, 1) }
        return count == 1 && byte == ends ? 0 : 1
    }

    /// The other end.
    struct Link: ~Copyable {
        private let listener: FileDescriptor
        private var keeper: Int32 = -1

        /// Listens in a folder, which becomes this process's: a socket's path is short.
        init(in folder: String) throws(MoveError) { listener = try Self.listener(in: folder) }

        private static func listener(in folder: String) throws(MoveError) -> FileDescriptor {
            guard chdir(folder) == 0, var address = CommandSocket.address(ContextKeeper.socketName) else {
                throw MoveError("\(folder): \(SystemError.text(of: errno))")
            }
            let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            guard number >= 0 else { throw MoveError("socket: \(SystemError.text(of: errno))") }
            let socket = FileDescriptor(owning: number)
            let isBound = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
                }
            }
            guard isBound, listen(number, 1) == 0 else {
                throw MoveError("\(folder)/\(ContextKeeper.socketName): \(SystemError.text(of: errno))")
            }
            return socket
        }

        deinit { if keeper >= 0 { close(keeper) } }

        /// Waits until the tree is stopped and written down.
        ///
        /// - Returns: false where criu ended before.
        mutating func isReached(before criu: EndOfProcess, until limit: UInt64) -> Bool {
            while Clock.monotonic() < limit, !ContextSave.isInterrupted {
                var waiting = [pollfd(fd: listener.number, events: Int16(POLLIN), revents: 0)]
                if criu.descriptor >= 0 {
                    waiting.append(pollfd(fd: criu.descriptor, events: Int16(POLLIN), revents: 0))
                }
                _ = poll(&waiting, nfds_t(waiting.count), 200)
                if waiting[0].revents != 0 {
                    keeper = clinux_accept(listener.number)
                    if keeper >= 0 { return true }
                }
                if waiting.count > 1, waiting[1].revents != 0 { return false }
            }
            return false
        }

        /// Says what becomes of the tree. Only where this returns true may it have ended.
        mutating func decide(isEnd: Bool) -> Bool {
            guard keeper >= 0 else { return false }
            defer {
                close(keeper)
                keeper = -1
            }
            var byte = ContextKeeper.ends
            return isEnd && send(keeper, &byte, 1, Int32(MSG_NOSIGNAL)) == 1
        }
    }
}
