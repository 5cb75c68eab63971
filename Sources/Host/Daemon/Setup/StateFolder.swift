import CLinux
import Glibc
import SystemCalls

/// The folder that holds records and dumps, locked for this daemon as long as this value lives.
struct StateFolder: ~Copyable {
    let path: String
    private let lock: FileDescriptor

    var dumps: String { path + "/dumps" }
    var database: String { path + "/retinue.db" }

    /// Makes the folder if it is missing, and takes its lock.
    init(_ path: String) throws(StartError) {
        try Self.make(path)
        let file = try Self.openLock(path)
        if flock(file.number, LOCK_EX | LOCK_NB) != 0 {
            let holder = (try? file.readAll(limit: 32)).map { String(decoding: $0, as: UTF8.self) } ?? ""
            let digits = holder.prefix { $0.isNumber }
            throw StartError(
                "another retinued\(digits.isEmpty ? "" : " (pid \(digits))") already uses the state folder "
                    + "\(path); stop it or choose another with --state-dir")
        }
        let dumps = path + "/dumps"
        try Self.make(dumps)
        guard access(dumps, W_OK) == 0 else {
            throw StartError("the folder \(dumps) is not writable: \(SystemError.text(of: errno))")
        }
        let line = Array("\(getpid())\n".utf8)
        _ = ftruncate(file.number, 0)
        _ = line.withUnsafeBytes { pwrite(file.number, $0.baseAddress, $0.count, 0) }
        self.path = path
        lock = file
    }

    private static func openLock(_ path: String) throws(StartError) -> FileDescriptor {
        do throws(SystemError) {
            return try FileDescriptor.open(path + "/lock", O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o600)
        } catch {
            throw StartError(
                "the state folder \(path) is not writable: \(SystemError.text(of: error.code)); "
                    + "choose another with --state-dir")
        }
    }

    /// Makes a folder and those above it; the last one readable by its owner only, since records tell
    /// what every user of the host does.
    private static func make(_ path: String) throws(StartError) {
        let names = path.split(separator: "/", omittingEmptySubsequences: true)
        for count in 1..<names.count + 1 {
            let parts = (path.hasPrefix("/") ? "/" : "") + names.prefix(count).joined(separator: "/")
            if mkdir(parts, count == names.count ? 0o700 : 0o755) != 0, errno != EEXIST {
                throw StartError(
                    "the state folder \(path) cannot be made: \(SystemError.text(of: errno)); "
                        + "choose another with --state-dir")
            }
        }
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw StartError("the state folder \(path) is not a folder; choose another with --state-dir")
        }
    }
}
