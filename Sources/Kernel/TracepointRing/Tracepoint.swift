/// A tracepoint to attach to: its name, and which of its events to let through.
public struct Tracepoint: Sendable {
    /// The folder under tracefs' `events`, such as `sock`.
    public let group: String
    /// The name in that folder.
    public let name: String
    /// An expression over the tracepoint's fields that drops events in the kernel; `nil` lets all
    /// through. Where the kernel does not take it, all come: parsers must not rely on it.
    public let filter: String?

    /// Names a tracepoint.
    public init(group: String, name: String, filter: String? = nil) {
        self.group = group
        self.name = name
        self.filter = filter
    }

    /// `sock:inet_sock_set_state`, of TCP and MPTCP sockets (Linux 4.16).
    ///
    /// Without the changes to `TCP_SYN_RECV`, `TCP_FIN_WAIT1` and `TCP_LAST_ACK`, from which nothing follows:
    /// three of the ten that a connection makes on a host that has both of its ends.
    public static let socketState = Tracepoint(
        group: "sock", name: "inet_sock_set_state",
        filter: "(protocol == 6 || protocol == 262) && newstate != 3 && newstate != 4 && newstate != 9")
}
