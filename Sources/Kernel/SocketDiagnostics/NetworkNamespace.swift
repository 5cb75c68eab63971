import CLinux
import Glibc
import SystemCalls

/// Another network namespace, in which sockets can be opened.
///
/// A socket stays in the namespace that it was opened in, wherever it is used. It also **keeps the
/// namespace alive**, interfaces and all: close what was opened in it when its last process is gone.
/// Needs `CAP_SYS_ADMIN` here and in the namespace's user namespace. Linux 3.0.
public struct NetworkNamespace: ~Copyable, Sendable {
    private let descriptor: FileDescriptor
    /// The namespace's number, as `/proc/PID/ns/net` shows it (`net:[4026531833]`): equal for two
    /// paths to one namespace.
    public let inode: UInt64

    /// Opens a namespace by a path, such as `/run/netns/NAME` or `/proc/PID/ns/net`.
    public init(path: String) throws(SystemError) {
        let descriptor = try FileDescriptor.open(path, O_RDONLY | O_NONBLOCK)
        let number = descriptor.number
        var status = stat()
        _ = try systemCall("fstat") { fstat(number, &status) }
        self.descriptor = descriptor
        inode = UInt64(status.st_ino)
    }

    /// Sees to it that notices of its sockets reach a listener of another namespace; see `NetworkNumbers`.
    @discardableResult
    public borrowing func meet(_ numbers: NetworkNumbers) -> Bool { numbers.meet(descriptor) }

    /// A listener of the sockets that die in this namespace.
    ///
    /// - Parameter receiveBuffer: bytes of socket buffer to ask for; see `DestroyListener`.
    public borrowing func destroyListener(
        receiveBuffer: Int32 = 32 << 20
    ) throws(SystemError) -> DestroyListener {
        var opened: DestroyListener?
        var failure: SystemError?
        try run {
            do throws(SystemError) {
                opened = try DestroyListener(receiveBuffer: receiveBuffer)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return opened.take()!
    }

    /// A socket to dump this namespace's sockets.
    public borrowing func socketQuery() throws(SocketQueryError) -> SocketQuery {
        var opened: SocketQuery?
        var failure: SocketQueryError?
        do throws(SystemError) {
            try run {
                do throws(SocketQueryError) {
                    opened = try SocketQuery()
                } catch {
                    failure = error
                }
            }
        } catch {
            throw .system(error)
        }
        if let failure { throw failure }
        return opened.take()!
    }

    /// The connections whose destination this namespace translates; see `ConnectionTracking`.
    public borrowing func translatedFlows() throws(SystemError) -> [TranslatedFlow] {
        var flows: [TranslatedFlow] = []
        var failure: SystemError?
        try run {
            do throws(SystemError) { flows = try ConnectionTracking.translatedFlows() } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return flows
    }

    /// Runs `body` in the namespace and waits for it; see `NamespaceVisit`.
    public borrowing func run(_ body: () -> Void) throws(SystemError) {
        try NamespaceVisit.run(in: descriptor.number, CLONE_NEWNET, body)
    }
}
