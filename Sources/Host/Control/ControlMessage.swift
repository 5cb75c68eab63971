import SystemCalls

/// What a client asks, one a connection, as one datagram that holds just this word.
public enum ControlRequest: String, Sendable, CaseIterable {
    /// How the daemon fares, as JSON text.
    case status
    /// Every record, as a file of `retinue/1` lines.
    case dump
}

/// What the daemon answers, as one datagram; an answer that is an error is thrown instead.
public enum ControlReply: ~Copyable {
    /// UTF-8 JSON text.
    case status([UInt8])
    /// A complete file without a name, open for reading at its start.
    case dump(FileDescriptor)
}

/// Sizes and first lines of the datagrams.
enum ControlMessage {
    /// Longest answer. A datagram that the default socket buffer (`net.core.wmem_default`) holds several
    /// times over, so that sending the only answer of a connection never waits.
    static let limit = 60 * 1024
    /// Longest request that is read; anything longer is no request.
    static let requestLimit = 64
    static let success: [UInt8] = Array("ok\n".utf8)
    static let failure: [UInt8] = Array("error\n".utf8)
}
