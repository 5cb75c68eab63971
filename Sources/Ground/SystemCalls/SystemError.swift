import Glibc

/// A system call that failed: which one, why, and on what.
///
/// Thrown as a typed error, so that a throw in a hot path allocates nothing; the sentence for a
/// person is made at the edge (`description`).
public struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The C name of the call.
    public let call: StaticString
    /// The value of `errno` after it.
    public let code: Int32

    /// Describes a failed call; `code` defaults to the calling thread's `errno`.
    public init(_ call: StaticString, code: Int32 = errno) {
        self.call = call
        self.code = code
    }

    /// The call and the system's text for its error.
    public var description: String { "\(call): \(SystemError.text(of: code))" }

    /// The C library's text for an `errno` value (`strerror`).
    public static func text(of code: Int32) -> String {
        strerror(code).map { String(cString: $0) } ?? "error \(code)"
    }

    /// Errors are equal when call and code are.
    public static func == (left: SystemError, right: SystemError) -> Bool {
        left.code == right.code && left.call.description == right.call.description
    }
}

/// Runs a system call that returns -1 on failure, again when a signal interrupted it.
///
/// EBADF and EFAULT are mistakes of this program in most calls, but a file server may answer with any number it
/// likes: they are errors as any other.
@inlinable
public func systemCall<Result: FixedWidthInteger & SignedInteger>(
    _ name: StaticString, _ body: () -> Result
) throws(SystemError) -> Result {
    while true {
        let result = body()
        if result != -1 { return result }
        let code = errno
        if code == EINTR { continue }
        throw SystemError(name, code: code)
    }
}

/// The same for a call on a descriptor that must not block: EAGAIN is an answer (`nil`), not an error.
@inlinable
public func systemCallUnlessBlocked<Result: FixedWidthInteger & SignedInteger>(
    _ name: StaticString, _ body: () -> Result
) throws(SystemError) -> Result? {
    do {
        return try systemCall(name, body)
    } catch {
        if error.code == EAGAIN { return nil }
        throw error
    }
}
