import CLinux
import Glibc
import Records
import Synchronization
import SystemCalls

/// The folder of dumps: each written aside and renamed, `latest.ndjson` a link to the newest.
///
/// It is held open, and everything happens relative to it: a folder or link that is put in its place later gets
/// nothing written and loses nothing.
final class DumpFolder: Sendable {
    let path: String
    /// The loop begins dumps, a thread publishes them.
    private let folder: Mutex<Opened>

    /// The folder, if it could be opened already.
    private struct Opened: ~Copyable {
        var folder: FileDescriptor?
    }

    /// Opens the folder, which only the daemon's user may be able to write in, and makes it if it is missing. Where
    /// the disk has no room for it, or takes no changes, that is tried again with the first dump.
    init(path: String) throws(StartError) {
        self.path = path
        do throws(FolderWalk.Refusal) {
            folder = Mutex(Opened(folder: try StateFolder.openPrivate(path)))
        } catch {
            guard StateFolder.isTroubleOfDisk(error.code) else {
                throw StateFolder.startError(path, error)
            }
            folder = Mutex(Opened(folder: nil))
        }
    }

    /// Lends the folder; opens it again if it was removed: what has its place now is checked as at the start.
    private func withFolder<Result: ~Copyable>(
        _ body: (borrowing FileDescriptor) throws(SystemError) -> sending Result
    ) throws(SystemError) -> sending Result {
        try folder.withLock { opened throws(SystemError) in
            let folder: FileDescriptor
            if let known = opened.folder.take(), !Self.isGone(known) {
                folder = known
            } else {
                do throws(FolderWalk.Refusal) {
                    folder = try StateFolder.openPrivate(path)
                } catch {
                    throw SystemError("open", code: error.code)
                }
            }
            do throws(SystemError) {
                let result = try body(folder)
                opened.folder = consume folder
                return result
            } catch {
                opened.folder = consume folder
                throw error
            }
        }
    }

    private static func isGone(_ folder: borrowing FileDescriptor) -> Bool {
        var status = stat()
        return fstat(folder.number, &status) == 0 && status.st_nlink == 0
    }

    /// Begins a dump: a file aside, to be filled and published.
    func begin() throws(SystemError) -> FileDescriptor { try make(Self.aside) }

    /// Gives the file that was begun its name, once it is on the disk, and makes `latest.ndjson` name it.
    ///
    /// - Parameters:
    ///   - time: when it was asked for, nanoseconds since 1970; names the file.
    ///   - keep: how many dumps may stay.
    /// - Returns: path of the dump.
    @discardableResult
    func publish(
        _ file: borrowing FileDescriptor, time: UInt64, keep: Int
    ) throws(SystemError) -> String {
        let data = file.number
        do throws(SystemError) {
            _ = try systemCall("fdatasync") { fdatasync(data) }
        } catch {
            abandon()
            throw error
        }
        let name = try withFolder { folder throws(SystemError) in
            let number = folder.number
            let name = Self.freeName(time, in: number)
            try Self.move(Self.aside, to: name, in: number)
            let link = ".latest.tmp"
            unlinkat(number, link, 0)
            _ = try systemCall("symlinkat") { symlinkat(name, number, link) }
            try Self.move(link, to: "latest.ndjson", in: number)
            Self.prune(keep, sparing: name, in: folder)
            return name
        }
        return "\(path)/\(name)"
    }

    /// Throws away what was begun.
    func abandon() {
        try? withFolder { folder throws(SystemError) in _ = unlinkat(folder.number, Self.aside, 0) }
    }

    /// A file without a name, for a client to read. It is read at once, and gone after that.
    func nameless() throws(SystemError) -> FileDescriptor {
        let file = try make(".client.tmp")
        try withFolder { folder throws(SystemError) in _ = unlinkat(folder.number, ".client.tmp", 0) }
        return file
    }

    /// A file that needs no disk (memfd_create(2), since Linux 3.17): a daemon on a full or read-only disk can be
    /// asked all the same.
    static func inMemory() throws(SystemError) -> FileDescriptor {
        let file = FileDescriptor(
            owning: try systemCall("memfd_create") { memfd_create("retinue-dump", UInt32(MFD_CLOEXEC)) })
        // It is everybody's otherwise: a client that is not root could open its descriptor anew, to write.
        let number = file.number
        _ = try systemCall("fchmod") { fchmod(number, 0o600) }
        return file
    }

    private static let aside = ".dump.tmp"

    private func make(_ name: String) throws(SystemError) -> FileDescriptor {
        try withFolder { folder throws(SystemError) in
            unlinkat(folder.number, name, 0)
            return try folder.openRelative(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
        }
    }

    private static func move(_ aside: String, to name: String, in number: Int32) throws(SystemError) {
        do throws(SystemError) {
            _ = try systemCall("renameat") { renameat(number, aside, number, name) }
        } catch {
            unlinkat(number, aside, 0)
            throw error
        }
    }

    /// `20261121T020000.123Z.ndjson`: sorts by time, and no colon troubles a shell or an archive.
    private static func freeName(_ time: UInt64, in folder: Int32) -> String {
        let stamp = Timestamp.compactText(time)
        var name = stamp + ".ndjson"
        var number = 1
        var status = stat()
        // A link that leads nowhere has the name as well.
        while fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 {
            number += 1
            // '~' sorts behind '.', so that a second dump of one millisecond sorts behind the first.
            name = "\(stamp)~\(number).ndjson"
        }
        return name
    }

    /// Removes the oldest dumps beyond `keep`, by their names, but never the one just made: after the
    /// clock was set back its name sorts before older ones.
    private static func prune(
        _ keep: Int, sparing newest: String, in folder: borrowing FileDescriptor
    ) {
        // A descriptor of its own, which closedir closes.
        guard let listed = try? folder.openRelative(".", O_RDONLY | O_DIRECTORY) else { return }
        guard let stream = fdopendir(listed.release()) else { return }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            let isDump = name.hasSuffix(".ndjson") && name.first?.isNumber == true
            if isDump, name != newest { names.append(name) }
        }
        closedir(stream)
        for name in names.sorted().dropLast(max(keep, 1) - 1) { unlinkat(folder.number, name, 0) }
    }
}
