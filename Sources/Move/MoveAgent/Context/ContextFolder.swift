import CLinux
import Glibc
import SystemCalls
import Transfer

/// A folder of this process's own for images, which have all of a program's memory: it is for root alone, and does not stay.
///
/// What a process that was killed has left is removed by the next one that makes a folder there: a lock (flock(2)) goes with whoever
/// holds it.
final class ContextFolder {
    let path: String
    private let lock: Int32

    /// Seconds in which one that was made has to be locked.
    private static let grace = 60

    /// - Parameters:
    ///   - parent: where it is made.
    ///   - prefix: what its name begins with, and those of no other files.
    init(in parent: String, _ prefix: String) throws(MoveError) {
        Self.sweep(parent, prefix)
        var template = Array("\(parent)/\(prefix)XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw MoveError("a folder in \(parent): \(SystemError.text(of: errno))")
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        flock(lock, LOCK_EX | LOCK_NB)
    }

    deinit { if lock >= 0 { close(lock) } }

    /// Removes it, with all that is in it.
    func remove() { Self.remove(path) }

    private static func remove(_ path: String) {
        guard let inside = try? RootFolder(path) else { return }
        for name in inside.paths().sorted(by: { $0.count > $1.count }) {
            let name = path + String(decoding: name, as: UTF8.self)
            if unlink(name) != 0 { rmdir(name) }
        }
        rmdir(path)
    }

    private static func sweep(_ parent: String, _ prefix: String) {
        guard let stream = opendir(parent) else { return }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name.hasPrefix(prefix) else { continue }
            let folder = open("\(parent)/\(name)", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard folder >= 0 else { continue }
            defer { close(folder) }
            var status = stat()
            guard fstat(folder, &status) == 0, status.st_uid == geteuid(), status.st_mode & 0o077 == 0,
                status.st_mtim.tv_sec < time(nil) - grace, flock(folder, LOCK_EX | LOCK_NB) == 0
            else { continue }
            remove("\(parent)/\(name)")
        }
    }
}
