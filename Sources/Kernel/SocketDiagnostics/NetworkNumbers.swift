import CLinux
import Glibc
import Synchronization
public import SystemCalls
import Wire

/// The numbers that other network namespaces have in the one that this was made in (`nsid`), by which a listener of
/// several learns where a notice comes from.
///
/// The kernel gives a namespace one where a link leads into it, or where somebody asks (`RTM_NEWNSID`, Linux 4.0, needs
/// `CAP_NET_ADMIN`); nothing is heard of a namespace without. It lasts as long as the namespace; a number that the kernel
/// gave may then be another's, as may the inode. So a namespace is met anew by each of its processes, and those that are
/// asked for here count up.
public final class NetworkNumbers: Sendable {
    private struct State: ~Copyable {
        let socket: FileDescriptor
        /// The next number to ask for.
        var next: Int32
        /// Namespaces by their numbers.
        var inodes: [Int32: UInt64] = [:]
        /// Those among them that have ended: their last notices may be still to come, and another has their inode.
        var ended: Set<Int32> = []
    }

    private let state: Mutex<State>
    /// The namespace that the numbers are good in, by its inode.
    public let own: UInt64

    /// Namespaces that are known at a time.
    public static let most = 4096

    /// Opens the socket in the calling thread's network namespace.
    public init() throws(SystemError) {
        let home = try FileDescriptor.open("/proc/thread-self/ns/net", O_RDONLY)
        let type = clinux_SOCK_RAW | clinux_SOCK_CLOEXEC
        let socket = FileDescriptor(
            owning: try systemCall("socket") { Glibc.socket(AF_NETLINK, type, NETLINK_ROUTE) })
        try SocketQuery.connectToKernel(socket.number)
        own = try Self.inode(home)
        // Far from those that the kernel gives, which begin at 0, and from those of an earlier run.
        state = Mutex(State(socket: socket, next: .random(in: 1 << 24..<1 << 30)))
        meet(home)
    }

    /// The namespace that has a number, by its inode; `nil` if none is known.
    public func inode(of number: Int32) -> UInt64? { state.withLock { $0.inodes[number] } }

    /// Whether notices of a namespace are known, by its inode.
    public func knows(_ inode: UInt64) -> Bool {
        inode == own
            || state.withLock { state in
                state.inodes.contains { $0.value == inode && !state.ended.contains($0.key) }
            }
    }

    /// Whether a namespace that was met, by its inode, is still the same one: the kernel is asked for its number (Linux 4.20).
    public func isThere(_ inode: UInt64) -> Bool {
        if inode == own { return true }
        return state.withLock { state in
            var isThere = false
            for (number, place) in state.inodes where place == inode && !state.ended.contains(number) {
                if Self.ask(RTM_GETNSID, [(NETNSA_NSID, number)], state.socket) != nil {
                    isThere = true
                } else {
                    state.ended.insert(number)
                }
            }
            return isThere
        }
    }

    /// Sees to it that a namespace has a number, and takes that in.
    ///
    /// - Parameter namespace: its file, such as /proc/PID/ns/net.
    /// - Returns: whether notices of it are known from now on.
    @discardableResult
    public func meet(_ namespace: borrowing FileDescriptor) -> Bool {
        guard let inode = try? Self.inode(namespace) else { return false }
        let descriptor = namespace.number
        return state.withLock { state in
            guard let number = Self.number(descriptor, &state) else { return false }
            if state.inodes.count >= Self.most, state.inodes[number] == nil {
                let home = state.inodes.filter { $0.value == own }
                state.inodes = home
                state.ended.removeAll()
            }
            state.inodes[number] = inode
            state.ended.remove(number)
            return true
        }
    }

    private static func inode(_ namespace: borrowing FileDescriptor) throws(SystemError) -> UInt64 {
        var status = stat()
        let number = namespace.number
        _ = try systemCall("fstat") { fstat(number, &status) }
        return UInt64(status.st_ino)
    }

    private static func number(_ descriptor: Int32, _ state: inout State) -> Int32? {
        for _ in 0..<4 {
            let asked = [(NETNSA_FD, descriptor)]
            if let number = ask(RTM_GETNSID, asked, state.socket), number >= 0 { return number }
            // Others may have asked for it at the same moment, or for this number.
            state.next = state.next == .max ? 1 << 24 : state.next + 1
            _ = ask(RTM_NEWNSID, asked + [(NETNSA_NSID, state.next)], state.socket)
        }
        return nil
    }

    /// Sends a request about the namespace that attributes name, and gives the number in the answer. The kernel answers
    /// before the request is sent.
    private static func ask(
        _ type: Int, _ attributes: [(kind: Int, value: Int32)], _ socket: borrowing FileDescriptor
    ) -> Int32? {
        var request: [UInt8] = []
        func put16(_ value: UInt16) { withUnsafeBytes(of: value) { request += $0 } }
        func put32(_ value: UInt32) { withUnsafeBytes(of: value) { request += $0 } }
        put32(UInt32(20 + 8 * attributes.count))
        put16(UInt16(type))
        put16(UInt16(NLM_F_REQUEST | NLM_F_ACK))
        put32(0)
        put32(0)
        put32(0)  // struct rtgenmsg, padded
        for attribute in attributes {
            put16(8)
            put16(UInt16(attribute.kind))
            put32(UInt32(bitPattern: attribute.value))
        }
        let place = socket.number
        guard send(place, request, request.count, 0) == request.count else { return nil }
        var answer: Int32?
        var bytes = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(place, &bytes, bytes.count, clinux_MSG_DONTWAIT)
            guard count > 0 else { return answer }
            if let found = try? Self.number(in: bytes.span.bytes.extracting(0..<count)) { answer = found }
        }
    }

    private static func number(in datagram: RawSpan) throws(WireError) -> Int32? {
        var messages = NetlinkMessages()
        while let message = try messages.next(in: datagram) {
            guard Int(message.type) == RTM_NEWNSID else { continue }
            var attributes = NetlinkAttributes(offset: 4)
            let payload = datagram.extracting(message.payload)
            while let attribute = try attributes.next(in: payload) {
                guard attribute.type == UInt16(NETNSA_NSID) else { continue }
                return try payload.integer(at: attribute.value.lowerBound)
            }
        }
        return nil
    }
}
