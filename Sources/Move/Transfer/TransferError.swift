public import SystemCalls
import Text

/// Why files could not be brought to another host.
public enum TransferError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A system call failed on a file of this host.
    case file([UInt8], SystemError)
    /// The other end ended the connection, or the link is cut.
    case closed(String)
    /// The other end sent what the protocol does not have.
    case malformed(String)
    /// The other end refused, with its reason.
    case refused(String)
    /// What was written is not what was sent: the file.
    case differs([UInt8])
    /// It was asked to stop.
    case cancelled

    /// A sentence for people.
    public var description: String {
        switch self {
        case .file(let path, let error): "\(Printable.text(path)): \(error)"
        case .closed(let why): "the connection ended: \(why)"
        case .malformed(let what): "the other end broke the protocol: \(what)"
        case .refused(let why): why
        case .differs(let path): "\(Printable.text(path)) is not what was sent"
        case .cancelled: "cancelled"
        }
    }
}
