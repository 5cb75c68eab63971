/// A TCP state by the kernel's number.
public struct TransitionState: RawRepresentable, Hashable, Sendable {
    /// The kernel's number.
    public let rawValue: Int32
    /// Makes a state from the kernel's number.
    public init(rawValue: Int32) { self.rawValue = rawValue }
    /// `TCP_ESTABLISHED`.
    public static let established = TransitionState(rawValue: 1)
    /// `TCP_SYN_SENT`.
    public static let synSent = TransitionState(rawValue: 2)
    /// `TCP_SYN_RECV`.
    public static let synReceived = TransitionState(rawValue: 3)
    /// `TCP_FIN_WAIT1`.
    public static let finWait1 = TransitionState(rawValue: 4)
    /// `TCP_FIN_WAIT2`.
    public static let finWait2 = TransitionState(rawValue: 5)
    /// `TCP_TIME_WAIT`.
    public static let timeWait = TransitionState(rawValue: 6)
    /// `TCP_CLOSE`.
    public static let close = TransitionState(rawValue: 7)
    /// `TCP_CLOSE_WAIT`.
    public static let closeWait = TransitionState(rawValue: 8)
    /// `TCP_LAST_ACK`.
    public static let lastAcknowledgement = TransitionState(rawValue: 9)
    /// `TCP_LISTEN`.
    public static let listen = TransitionState(rawValue: 10)
    /// `TCP_CLOSING`.
    public static let closing = TransitionState(rawValue: 11)
    /// `TCP_NEW_SYN_RECV`.
    public static let newSynReceived = TransitionState(rawValue: 12)
}
