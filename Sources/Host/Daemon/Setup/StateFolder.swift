import CLinux
import Glibc
import SystemCalls

/// The folder that holds records and dumps, locked for this daemon as long as this value lives.
///
/// Nobody but root and the daemon's user may be able to change what lies in it, or put another folder in its place: the
/// daemon writes there as root, and removes old dumps. See `FolderWalk`. Once that is certain, paths below it
/// are safe too, which SQLite needs.
struct StateFolder: ~Copyable {
    let path: String
    /// Where dumps are written.
    let dumpFolder: DumpFolder
    private let lock: FileDescriptor

    var dumps: String { dumpFolder.path }
    var database: String { path + "/retinue.db" }

    /// Makes the folder if it is missing, and takes its lock.
    init(_ path: String) throws(StartError) {
        let folder = try Self.open(path)
        let file = try Self.openLock(folder, path)
        if flock(file.number, LOCK_EX | LOCK_NB) != 0 {
            let holder = (try? file.readAll(limit: 32)).map { String(decoding: $0, as: UTF8.self) } ?? ""
            let digits = holder.prefix { $0.isNumber }
            throw StartError(
                "another retinued\(digits.isEmpty ? "" : " (pid \(digits))") already uses the state folder "
                    + "\(path); stop it or choose another with --state-dir")
        }
        for suffix in ["", "-wal", "-shm", "-journal"] {
            try Self.checkStore(folder, path, "retinue.db" + suffix)
        }
        let dumpFolder = try DumpFolder(path: path + "/dumps")
        if faccessat(folder.number, "dumps", W_OK, 0) != 0, !Self.isTroubleOfDisk(errno), errno != ENOENT {
            throw StartError("the folder \(path)/dumps is not writable: \(SystemError.text(of: errno))")
        }
        // For a person only: on a full disk it is left out.
        let line = Array("\(getpid())\n".utf8)
        _ = ftruncate(file.number, 0)
        _ = line.withUnsafeBytes { pwrite(file.number, $0.baseAddress, $0.count, 0) }
        self.path = path
        self.dumpFolder = dumpFolder
        lock = file
    }

    /// Opens a folder that only the daemon's user may write in; makes it and those above it.
    static func open(_ path: String) throws(StartError) -> FileDescriptor {
        do throws(FolderWalk.Refusal) {
            return try openPrivate(path)
        } catch { throw startError(path, error) }
    }

    static func startError(_ path: String, _ error: FolderWalk.Refusal) -> StartError {
        StartError("the state folder \(path) \(error.reason); choose another with --state-dir")
    }

    /// Whether an error means that the disk is full, or broken for now: nothing that ends the daemon. It
    /// observes in memory, and writes when the disk takes it.
    static func isTroubleOfDisk(_ code: Int32) -> Bool { [ENOSPC, EDQUOT, EIO].contains(code) }

    /// The same with the bare reason.
    static func openPrivate(_ path: String) throws(FolderWalk.Refusal) -> FileDescriptor {
        let place = try FolderWalk.open(path, .trustedFolders, making: true)
        guard place.status.st_uid == geteuid() else {
            throw FolderWalk.Refusal("belongs to user \(place.status.st_uid)")
        }
        guard place.status.st_mode & 0o022 == 0 else {
            throw FolderWalk.Refusal("may be written by others: chmod go-w it")
        }
        do throws(SystemError) {
            return try place.folder.openRelative(".", O_RDONLY | O_DIRECTORY)
        } catch { throw FolderWalk.Refusal(error) }
    }

    private static func openLock(
        _ folder: borrowing FileDescriptor, _ path: String
    ) throws(StartError) -> FileDescriptor {
        let file: FileDescriptor
        do throws(SystemError) {
            // A FIFO would keep an open waiting for its other end.
            file = try folder.openRelative(
                "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, mode: 0o600)
        } catch {
            if isTroubleOfDisk(error.code) { return try openLockOnFullDisk(folder, path) }
            if error.code == ELOOP {
                throw StartError(
                    "\(path)/lock is a symbolic link; move it away or choose another --state-dir")
            }
            throw StartError(
                "the state folder \(path) is not writable: \(SystemError.text(of: error.code)); "
                    + "choose another with --state-dir")
        }
        var status = stat()
        guard fstat(file.number, &status) == 0 else {
            throw StartError("\(path)/lock: \(SystemError("fstat"))")
        }
        if let objection = objection(to: status) {
            throw StartError("\(path)/lock \(objection); move it away or choose another --state-dir")
        }
        return file
    }

    /// The lock where nothing can be made or written: the file as it is, or where there is none the folder itself.
    private static func openLockOnFullDisk(
        _ folder: borrowing FileDescriptor, _ path: String
    ) throws(StartError) -> FileDescriptor {
        if let file = try? folder.openRelative("lock", O_RDONLY | O_NOFOLLOW | O_NONBLOCK) { return file }
        do throws(SystemError) {
            return try folder.openRelative(".", O_RDONLY | O_DIRECTORY)
        } catch {
            throw StartError("the state folder \(path) cannot be opened: \(SystemError.text(of: error.code))")
        }
    }

    /// A store that somebody else made stays readable to its maker, and a link to another file would be written
    /// through: SQLite opens whatever has the name.
    private static func checkStore(
        _ folder: borrowing FileDescriptor, _ path: String, _ name: String
    ) throws(StartError) {
        var status = stat()
        guard fstatat(folder.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return }
        if let objection = objection(to: status) {
            throw StartError(
                "the store \(path)/\(name) \(objection); move it away or choose another --state-dir")
        }
    }
}
