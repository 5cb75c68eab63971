import CLinux
import Glibc
public import SystemCalls

/// A folder below which paths of another host are made: whatever a path or a link in it says, nothing outside is reached.
///
/// Folders are opened with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS` (openat2(2), Linux 5.6), names in them without following.
public struct RootFolder: ~Copyable {
    private let root: FileDescriptor
    /// The folder that was used last: most files lie beside the one before.
    private var last: (path: [UInt8], folder: Int32)?

    /// Opens a folder that is there.
    public init(_ path: String) throws(SystemError) {
        root = try FileDescriptor.open(path, O_PATH | O_DIRECTORY)
    }

    deinit { if let last { close(last.folder) } }

    /// Forgets the folder that is held open: it is about to be removed or replaced.
    mutating func forget() {
        if let last { close(last.folder) }
        last = nil
    }

    /// Calls with the folder of a path, opened, and the path's last name.
    mutating func withParent<Result>(
        of path: [UInt8], _ body: (Int32, UnsafePointer<CChar>) throws(SystemError) -> Result
    ) throws(TransferError) -> Result {
        let slash = path.lastIndex(of: UInt8(ascii: "/"))!
        let folder = try parent(above: path)
        let name = path[(slash + 1)...].map { CChar(bitPattern: $0) } + [0]
        do throws(SystemError) {
            return try name.withUnsafeBufferPointer { name throws(SystemError) in
                try body(folder, name.baseAddress!)
            }
        } catch { throw .file(path, error) }
    }

    private mutating func parent(above path: [UInt8]) throws(TransferError) -> Int32 {
        try parent(Array(path[1..<max(path.lastIndex(of: UInt8(ascii: "/"))!, 1)]), of: path)
    }

    private mutating func parent(_ folder: [UInt8], of path: [UInt8]) throws(TransferError) -> Int32 {
        if let last, last.path == folder { return last.folder }
        forget()
        let name = (folder.isEmpty ? [UInt8(ascii: ".")] : folder).map { CChar(bitPattern: $0) } + [0]
        let number = clinux_openat2(
            root.number, name, UInt64(O_RDONLY | O_DIRECTORY | O_CLOEXEC),
            clinux_RESOLVE_BENEATH_WITHOUT_LINKS)
        guard number >= 0 else { throw .file(path, SystemError("openat2")) }
        last = (folder, number)
        return number
    }

    /// What lies at a path.
    mutating func status(_ path: [UInt8]) -> stat? {
        try? withParent(of: path) { folder, name throws(SystemError) in
            var status = stat()
            guard fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
                throw SystemError("fstatat")
            }
            return status
        }
    }

    /// Opens a file, nothing followed.
    mutating func open(_ path: [UInt8], _ flags: Int32, mode: mode_t = 0o600) throws(TransferError) -> Int32 {
        try withParent(of: path) { folder, name throws(SystemError) in
            try systemCall("openat") {
                clinux_openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, mode)
            }
        }
    }

    /// Removes whatever lies at a path, with all that is below it, on this filesystem; nothing there is no error.
    mutating func remove(_ path: [UInt8]) throws(TransferError) {
        forget()
        try withParent(of: path) { folder, name throws(SystemError) in try Self.remove(folder, name, nil) }
    }

    private static func remove(_ folder: Int32, _ name: UnsafePointer<CChar>, _ device: dev_t?)
        throws(SystemError)
    {
        if unlinkat(folder, name, 0) == 0 || errno == ENOENT { return }
        guard errno == EISDIR || errno == EPERM || errno == ENOTEMPTY else { throw SystemError("unlinkat") }
        let inner = try systemCall("openat") {
            clinux_openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0)
        }
        guard let stream = fdopendir(inner) else {
            close(inner)
            throw SystemError("fdopendir")
        }
        defer { closedir(stream) }
        var status = stat()
        guard fstat(inner, &status) == 0 else { throw SystemError("fstat") }
        // What is mounted there is not of this root.
        if let device, device != status.st_dev { throw SystemError("unlinkat", code: EXDEV) }
        while let entry = readdir(stream) {
            let below = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if below == [UInt8(ascii: ".")] || below == Array("..".utf8) { continue }
            let text = below.map { CChar(bitPattern: $0) } + [0]
            try text.withUnsafeBufferPointer { text throws(SystemError) in
                try remove(inner, text.baseAddress!, status.st_dev)
            }
        }
        if unlinkat(folder, name, AT_REMOVEDIR) != 0 { throw SystemError("unlinkat") }
    }

    /// Everything below the root, as paths; what is mounted in it, as where its programs run, belongs to their namespace.
    public func paths() -> [[UInt8]] { listing() }

    func listing() -> [[UInt8]] {
        var found: [[UInt8]] = []
        var waiting: [[UInt8]] = [[]]
        while let folder = waiting.popLast() {
            let name =
                (folder.isEmpty ? [UInt8(ascii: ".")] : Array(folder.dropFirst())).map {
                    CChar(bitPattern: $0)
                } + [0]
            let inner = clinux_openat2(
                root.number, name, UInt64(O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                clinux_RESOLVE_BENEATH_WITHOUT_LINKS)
            guard inner >= 0, let stream = fdopendir(inner) else { continue }
            defer { closedir(stream) }
            while let entry = readdir(stream) {
                let below = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
                if below == [UInt8(ascii: ".")] || below == Array("..".utf8) { continue }
                let path = folder + [UInt8(ascii: "/")] + below
                found.append(path)
                if entry.pointee.d_type == UInt8(DT_DIR) { waiting.append(path) }
            }
        }
        return found
    }

    /// Has everything on the filesystem of the root written to its device (syncfs(2)).
    package func sync() throws(SystemError) {
        let readable = try root.openRelative(".", O_RDONLY | O_DIRECTORY)
        guard syncfs(readable.number) == 0 else { throw SystemError("syncfs") }
    }
}

extension RootFolder {
    /// What is done where something lies at the new place already.
    public enum Renaming: Sendable {
        /// It is refused, with `EEXIST`.
        case fresh
        /// Both change places.
        case exchange
    }

    /// Renames what lies at a path below one root to a path below another one, of the same filesystem (renameat2(2)).
    ///
    /// - Throws: `EXDEV` where a mount lies in between.
    package static func rename(
        _ path: [UInt8], in source: inout RootFolder, to other: [UInt8], in destination: inout RootFolder,
        _ renaming: Renaming = .fresh
    ) throws(TransferError) {
        guard FileEntry.isSound(path), FileEntry.isSound(other), path.count > 1, other.count > 1 else {
            throw .malformed("a path that cannot be")
        }
        let flags =
            renaming == .exchange ? clinux_RENAME_EXCHANGE : clinux_RENAME_NOREPLACE
        func text(_ path: [UInt8]) -> [CChar] {
            path[(path.lastIndex(of: UInt8(ascii: "/"))! + 1)...].map { CChar(bitPattern: $0) } + [0]
        }
        let (from, to) = (try source.parent(above: path), try destination.parent(above: other))
        guard clinux_renameat2(from, text(path), to, text(other), flags) == 0 else {
            throw .file(other, SystemError("renameat2"))
        }
        // A folder that was held open may be another path's now.
        source.forget()
        destination.forget()
    }

    /// Removes whatever lies at a path, with all that is below it; nothing there is no error.
    package mutating func removeFile(_ path: [UInt8]) throws(TransferError) {
        guard FileEntry.isSound(path), path.count > 1 else { throw .malformed("a path that cannot be") }
        try remove(path)
    }

    /// Makes a folder, those above it as well, unless it is there.
    public mutating func makeFolder(_ path: [UInt8], user: UInt32, group: UInt32, mode: UInt32)
        throws(TransferError)
    {
        guard FileEntry.isSound(path) else { throw .malformed("a path that cannot be") }
        guard path.count > 1, status(path) == nil else { return }
        let slash = path.lastIndex(of: UInt8(ascii: "/"))!
        if slash > 0 { try makeFolder(Array(path[..<slash]), user: 0, group: 0, mode: 0o755) }
        try withParent(of: path) { folder, name throws(SystemError) in
            _ = try systemCall("mkdirat") { mkdirat(folder, name, 0o700) }
            _ = try systemCall("fchownat") { fchownat(folder, name, user, group, AT_SYMLINK_NOFOLLOW) }
            _ = try systemCall("fchmodat") { fchmodat(folder, name, mode_t(mode), 0) }
        }
    }

    /// Opens a folder by its place alone (`O_PATH`, open(2)): something can be mounted there.
    package mutating func place(_ path: [UInt8]) throws(TransferError) -> FileDescriptor {
        guard FileEntry.isSound(path), path.count > 1 else { throw .malformed("a path that cannot be") }
        return FileDescriptor(owning: try open(path, O_PATH | O_DIRECTORY))
    }

    /// Makes a folder that nobody but this user can enter, and opens it: what is below the descriptor is out of everybody's reach,
    /// whatever becomes of its path.
    ///
    /// - Throws: that something lies there, or that what lies there now is not what was made.
    package mutating func makeOwnFolder(_ path: [UInt8]) throws(TransferError) -> FileDescriptor {
        guard FileEntry.isSound(path), path.count > 1 else { throw .malformed("a path that cannot be") }
        try withParent(of: path) { folder, name throws(SystemError) in
            _ = try systemCall("mkdirat") { mkdirat(folder, name, 0o700) }
        }
        let made = FileDescriptor(owning: try open(path, O_RDONLY | O_DIRECTORY))
        var status = stat()
        guard fstat(made.number, &status) == 0, status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else {
            throw .file(path, SystemError("mkdirat", code: EPERM))
        }
        return made
    }

    /// Writes a small file of root's.
    public mutating func writeFile(_ path: [UInt8], _ text: [UInt8], mode: UInt32) throws(TransferError) {
        guard FileEntry.isSound(path), path.count > 1 else { throw .malformed("a path that cannot be") }
        let file = FileDescriptor(owning: try open(path, O_WRONLY | O_CREAT | O_TRUNC))
        let number = file.number
        do throws(SystemError) {
            _ = try systemCall("fchmod") { fchmod(number, mode_t(mode)) }
            var offset = 0
            while offset < text.count {
                offset += try systemCall("write") {
                    text.withUnsafeBytes {
                        Glibc.write(number, $0.baseAddress! + offset, text.count - offset)
                    }
                }
            }
        } catch { throw .file(path, error) }
    }
}
