import CLinux
import Glibc
import SystemCalls

/// What a daemon of an earlier version kept in a folder of root's, for one that keeps it in a folder of a user's own.
///
/// Everything gets its new owner while it still lies where only root can write, and is then renamed: nothing is ever looked
/// up by root in a folder in which another user could put a link. The store itself goes last. As long as it is where it was, a
/// move that was cut off is gone on with at the next start.
struct EarlierState {
    private let path: String
    private static let store = "retinue.db"

    init(_ path: String) { self.path = path }

    /// Moves the store and the dumps, if there is a store and no daemon uses it, and gives them to the owner of the folder
    /// that they go to; makes that folder if it is missing.
    ///
    /// - Returns: how many files were moved; dumps count as one.
    /// - Throws: a sentence, where the store stays where it was: a daemon that began without it would never come back to it.
    func move(to destination: String) throws(StartError) -> Int {
        guard let folder = try open() else { return 0 }
        var status = stat()
        guard fstatat(folder.number, Self.store, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return 0 }
        let target = try openTarget(destination)
        var owner = stat()
        guard fstat(target.number, &owner) == 0 else { throw failure(SystemError("fstat")) }
        // One that has begun by itself keeps what it has.
        guard fstatat(target.number, Self.store, &status, AT_SYMLINK_NOFOLLOW) != 0 else { return 0 }
        guard let held = try lock(folder) else {
            throw StartError("a retinued of an earlier version still uses \(path); stop it first")
        }
        var count = 0
        for name in try names(folder) + [Self.store] {
            do throws(SystemError) {
                try give(name, in: folder, to: owner, isFolder: name == "dumps")
                let (from, to) = (folder.number, target.number)
                _ = try systemCall("renameat") { renameat(from, name, to, name) }
            } catch { throw failure(error) }
            count += 1
        }
        // Nobody's any more.
        for name in ["lock", "retinued.sock"] { unlinkat(folder.number, name, 0) }
        _ = consume held
        return count
    }

    private func failure(_ error: SystemError) -> StartError {
        StartError(
            "the store of an earlier version, \(path)/\(Self.store), cannot be handed over (\(error)): move it and what "
                + "begins with its name into the new state folder, or away")
    }

    /// The folder, if it is there and only root can write in it; `nil` otherwise.
    private func open() throws(StartError) -> FileDescriptor? {
        do throws(FolderWalk.Refusal) {
            let place = try FolderWalk.open(path, .trustedFolders, making: false)
            guard place.status.st_uid == geteuid(), place.status.st_mode & 0o022 == 0 else { return nil }
            do throws(SystemError) {
                return try place.folder.openRelative(".", O_RDONLY | O_DIRECTORY)
            } catch { throw FolderWalk.Refusal(error) }
        } catch { return nil }
    }

    /// The folder that it goes to. It may be another user's, but where it lies only root can put another one.
    private func openTarget(_ destination: String) throws(StartError) -> FileDescriptor {
        do throws(FolderWalk.Refusal) {
            let place = try FolderWalk.open(destination, .trustedFolders, making: true)
            do throws(SystemError) {
                return try place.folder.openRelative(".", O_RDONLY | O_DIRECTORY)
            } catch { throw FolderWalk.Refusal(error) }
        } catch { throw StateFolder.startError(destination, error) }
    }

    /// The lock of the daemon that used it; `nil` if one still does.
    private func lock(_ folder: borrowing FileDescriptor) throws(StartError) -> FileDescriptor? {
        do throws(SystemError) {
            let file = try folder.openRelative(
                "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, mode: 0o600)
            guard flock(file.number, LOCK_EX | LOCK_NB) == 0 else { return nil }
            return file
        } catch { throw failure(error) }
    }

    /// What goes besides the store, and before it: its logs, damaged ones that were set aside, and the dumps.
    private func names(_ folder: borrowing FileDescriptor) throws(StartError) -> [String] {
        do throws(SystemError) {
            return try Self.entries(of: folder).filter {
                $0 != Self.store && ($0.hasPrefix(Self.store) || $0 == "dumps")
            }
        } catch { throw failure(error) }
    }

    private func give(
        _ name: String, in folder: borrowing FileDescriptor, to owner: stat, isFolder: Bool
    ) throws(SystemError) {
        let number = folder.number
        if isFolder, let inner = try? folder.openRelative(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) {
            for entry in try Self.entries(of: inner) {
                try give(entry, in: inner, to: owner, isFolder: false)
            }
        }
        _ = try systemCall("fchownat") {
            fchownat(number, name, owner.st_uid, owner.st_gid, AT_SYMLINK_NOFOLLOW)
        }
    }

    private static func entries(of folder: borrowing FileDescriptor) throws(SystemError) -> [String] {
        // A descriptor of its own, which closedir closes.
        let listed = try folder.openRelative(".", O_RDONLY | O_DIRECTORY)
        guard let stream = fdopendir(listed.release()) else { throw SystemError("fdopendir") }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}
