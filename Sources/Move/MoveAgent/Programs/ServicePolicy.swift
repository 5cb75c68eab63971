import CLinux
import Glibc
import SystemCalls

/// Keeps the services of packages from being started while these are installed: a `policy-rc.d` that forbids each of them
/// (invoke-rc.d(8), deb-systemd-invoke(1p)).
///
/// One that the host has is exchanged with this one, so that there is one at any moment. What was done is seen by the two
/// files' content: both directions may be done again after a crash.
struct ServicePolicy {
    /// The move's name, which the file and the one beside it have.
    let name: String
    /// In another folder for tests.
    var folder = "/usr/sbin"

    private var path: String { "\(folder)/policy-rc.d" }
    private var beside: String { "\(folder)/policy-rc.d.retinue-\(name)" }
    private static let mark = "# Put here by retinue-agent, while it installs packages for the move "
    /// 101: what was asked for is forbidden.
    private var text: String { "#!/bin/sh\n\(Self.mark)\(name).\nexit 101\n" }

    /// Forbids starts.
    func begin() throws(MoveError) {
        try end()
        if let present = Self.content(path), present.contains(Self.mark) {
            throw MoveError("\(path) is another move's: packages are installed for one at a time")
        }
        do throws(SystemError) {
            let bytes = Array(text.utf8)
            let file = try FileDescriptor.open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o755)
            let number = file.number
            let written = try systemCall("write") {
                bytes.withUnsafeBytes { Glibc.write(number, $0.baseAddress, $0.count) }
            }
            guard written == bytes.count else { throw SystemError("write", code: ENOSPC) }
            // Whatever the agent's mask is.
            _ = try systemCall("fchmod") { fchmod(number, 0o755) }
            _ = try systemCall("fsync") { fsync(number) }
        } catch { throw MoveError("\(beside): \(error)") }
        var status = stat()
        try move(beside, path, lstat(path, &status) == 0 ? clinux_RENAME_EXCHANGE : clinux_RENAME_NOREPLACE)
        Fault.pass("policy")
    }

    /// Lets services be started as before.
    func end() throws(MoveError) {
        var status = stat()
        if lstat(beside, &status) == 0 {
            if Self.content(beside) == text {
                // The exchange did not happen.
                unlink(beside)
            } else {
                guard rename(beside, path) == 0 else {
                    throw MoveError("\(path): \(SystemError.text(of: errno))")
                }
            }
        } else if Self.content(path) == text {
            guard unlink(path) == 0 else { throw MoveError("\(path): \(SystemError.text(of: errno))") }
        }
    }

    private func move(_ from: String, _ to: String, _ flags: UInt32) throws(MoveError) {
        guard clinux_renameat2(AT_FDCWD, from, AT_FDCWD, to, flags) == 0 else {
            throw MoveError("\(to): \(SystemError.text(of: errno))")
        }
    }

    /// Of a file, as far as it is text.
    private static func content(_ path: String) -> String? {
        guard let bytes = (try? FileDescriptor.open(path, O_RDONLY | O_NONBLOCK))?.all else { return nil }
        return String(validating: bytes.prefix(4096), as: UTF8.self)
    }
}
