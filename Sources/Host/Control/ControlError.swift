import SystemCalls

/// Why daemon and client could not communicate. Each describes itself in a sentence that says what to do.
public enum ControlError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Server: another daemon answers on this path.
    case inUse(path: String)
    /// Server: something that is not a socket has this name; it is left alone.
    case notASocket(path: String)
    /// Both: the path is empty, ends in no name, or its last part is longer than an address holds.
    case unusablePath(String)
    /// Client: there is no socket, or nobody answers on it.
    case notRunning(path: String)
    /// Both: the file system says no.
    case noPermission(path: String)
    /// Client: no answer within the time given.
    case timedOut(path: String, milliseconds: Int)
    /// Client: the daemon's own sentence.
    case refused(String)
    /// Client: an answer that no daemon of this version gives.
    case badReply(path: String, String)
    /// Client: the daemon speaks another version of the protocol.
    case otherVersion(path: String, Int)
    /// Client: somebody answers there who is neither root nor the client's own user, nor the daemon's (`DaemonUser`).
    case foreignDaemon(path: String, user: UInt32)
    /// Server: no request; the peer was sent this sentence.
    case badRequest(String)
    /// Server: the client has gone.
    case disconnected
    /// Both: a call that should not fail has failed.
    case system(SystemError, path: String)

    /// A sentence for a person, without a full stop.
    public var description: String {
        switch self {
        case .inUse(let path):
            "another retinued answers on \(path); stop it, or choose another --state-dir or --socket"
        case .notASocket(let path):
            "\(path) exists and is not a socket; move it away, or choose another --socket"
        case .unusablePath(let path):
            "\"\(path)\" cannot be the path of a socket; name a file in a folder, at most 80 bytes long"
        case .notRunning(let path):
            "no retinued answers on \(path); start it, or name its --socket or --state-dir"
        case .noPermission(let path):
            "no permission to use \(path); run as root, or as the user that retinued runs as"
        case .timedOut(let path, let milliseconds):
            "retinued did not answer on \(path) within \(milliseconds) ms; it may be busy: try again"
        case .refused(let sentence):
            "retinued says: \(sentence)"
        case .badReply(let path, let reason):
            "what answers on \(path) does not speak like retinued \(retinueVersion): \(reason)"
        case .otherVersion(let path, let version):
            "the retinued that answers on \(path) speaks version \(version) of the control protocol, and "
                + "retinue \(retinueVersion) version \(ControlMessage.version); "
                + "use the retinue that belongs to it, or restart the daemon after an update"
        case .foreignDaemon(let path, let user):
            "what answers on \(path) runs as user \(user), and not as root, the user who asks, or the owner of "
                + "\(DaemonUser.folder): it is not asked"
        case .badRequest(let sentence):
            "a client sent no request: \(sentence)"
        case .disconnected:
            "the client has gone"
        case .system(let error, let path):
            "\(path): \(error)"
        }
    }
}
