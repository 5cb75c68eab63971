import CLinux
import Glibc
import SystemCalls

/// Goes to a folder component by component, and looks at each before it takes the next.
///
/// A path is only as trustworthy as every folder on it: who may write in one of them can put a link or a
/// folder of their own in place of the next. So each is opened with `O_NOFOLLOW` relative to the one before, and what
/// was opened is what is checked; nothing is looked up twice. Links are followed here and not by the kernel, and
/// only those of root or of the daemon's user.
struct FolderWalk {
    /// What is asked of the folders on the way.
    enum Rule {
        /// Only root and the daemon's user may be able to change what lies in them: each belongs to one of the
        /// two, and nobody else may write in it, unless it is sticky and what comes next belongs to one of the two.
        case trustedFolders
        /// Folders may be anybody's; links must be root's or the daemon's user's.
        case trustedLinks
    }

    /// A folder that was reached, open with `O_PATH`.
    struct Place: ~Copyable {
        let folder: FileDescriptor
        let status: stat
    }

    /// Why a folder was not reached: the end of a sentence that begins with its path.
    struct Refusal: Error {
        let code: Int32
        let reason: String

        init(_ error: SystemError) {
            code = error.code
            reason = "cannot be made: \(SystemError.text(of: error.code))"
        }

        init(_ reason: String, code: Int32 = EPERM) {
            self.code = code
            self.reason = reason
        }
    }

    private static let flags = O_PATH | O_NOFOLLOW
    /// As many links as the kernel follows in one path.
    private static let mostLinks = 40

    private let rule: Rule
    private let isMaking: Bool
    /// Names that are still to be taken, the next one last.
    private var names: [String]
    private var links = 0

    /// Opens a folder.
    ///
    /// - Parameter making: whether folders that are missing are made: the last one for its owner only, since records
    ///   show what every user of the host does.
    static func open(_ path: String, _ rule: Rule, making: Bool) throws(Refusal) -> Place {
        guard !path.isEmpty, !path.utf8.contains(0) else { throw Refusal("is no path", code: EINVAL) }
        var walk = FolderWalk(rule, making: making, names: Self.names(of: path))
        // From the root even where the path is relative: the folders above the current one count as well.
        if !path.hasPrefix("/") { walk.names += Self.names(of: try currentFolder()) }
        return try walk.run()
    }

    private init(_ rule: Rule, making: Bool, names: [String]) {
        self.rule = rule
        isMaking = making
        self.names = names
    }

    private static func names(of path: String) -> [String] {
        path.split(separator: "/").filter { $0 != "." }.reversed().map(String.init)
    }

    private static func currentFolder() throws(Refusal) -> String {
        guard let path = getcwd(nil, 0) else { throw Refusal(SystemError("getcwd")) }
        defer { free(path) }
        return String(cString: path)
    }

    private mutating func run() throws(Refusal) -> Place {
        var here = try Self.root()
        var path = "/"
        while let name = names.popLast() {
            let next: Place
            do throws(SystemError) {
                next = try step(name, from: here)
            } catch {
                throw Refusal(error)
            }
            try check(here.status, path, holds: next.status)
            switch next.status.st_mode & S_IFMT {
            case S_IFDIR:
                path += (path == "/" ? "" : "/") + name
                here = next
            case S_IFLNK:
                links += 1
                guard links <= Self.mostLinks else {
                    throw Refusal("cannot be reached: \(SystemError.text(of: ELOOP))", code: ELOOP)
                }
                let link = "\(path == "/" ? "" : path)/\(name)"
                guard Self.isTrusted(next.status.st_uid) else {
                    throw Refusal("lies behind \(link), a symbolic link of user \(next.status.st_uid)")
                }
                let target = try Self.target(of: next.folder)
                names += Self.names(of: target)
                if target.hasPrefix("/") {
                    here = try Self.root()
                    path = "/"
                }
            default:
                if names.isEmpty { throw Refusal("is not a folder", code: ENOTDIR) }
                throw Refusal(SystemError("open", code: ENOTDIR))
            }
        }
        return here
    }

    private static func root() throws(Refusal) -> Place {
        do throws(SystemError) {
            return try Self.place(FileDescriptor.open("/", flags | O_DIRECTORY))
        } catch { throw Refusal(error) }
    }

    private static func place(_ folder: consuming FileDescriptor) throws(SystemError) -> Place {
        let number = folder.number
        var status = stat()
        _ = try systemCall("fstat") { fstat(number, &status) }
        return Place(folder: folder, status: status)
    }

    /// Opens the next component, or makes it.
    private func step(_ name: String, from here: borrowing Place) throws(SystemError) -> Place {
        do throws(SystemError) {
            return try Self.place(here.folder.openRelative(name, Self.flags))
        } catch {
            guard error.code == ENOENT, isMaking else { throw error }
        }
        let number = here.folder.number
        let mode: mode_t = names.isEmpty ? 0o700 : 0o755
        // What somebody else has made in the meantime is looked at like anything that was there.
        if mkdirat(number, name, mode) != 0, errno != EEXIST { throw SystemError("mkdirat") }
        return try Self.place(here.folder.openRelative(name, Self.flags))
    }

    private func check(_ folder: stat, _ path: String, holds next: stat) throws(Refusal) {
        guard rule == .trustedFolders else { return }
        guard Self.isTrusted(folder.st_uid) else {
            throw Refusal("lies in \(path), a folder of user \(folder.st_uid), who could replace it")
        }
        guard folder.st_mode & 0o022 != 0 else { return }
        guard folder.st_mode & S_ISVTX != 0 else {
            throw Refusal("lies in \(path), where others may write and could replace it")
        }
        guard Self.isTrusted(next.st_uid) else {
            throw Refusal(
                "lies in \(path), where others may write, and what has its name there belongs to user \(next.st_uid)"
            )
        }
    }

    static func isTrusted(_ user: uid_t) -> Bool { user == 0 || user == geteuid() }

    private static func target(of link: borrowing FileDescriptor) throws(Refusal) -> String {
        let number = link.number
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = bytes.withUnsafeMutableBytes { buffer in
            readlinkat(number, "", buffer.baseAddress!.assumingMemoryBound(to: CChar.self), buffer.count)
        }
        guard count > 0, count < bytes.count else { throw Refusal(SystemError("readlinkat")) }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}

/// What is wrong with a file that the daemon is to go on writing; `nil` for nothing.
///
/// It must be a file of the daemon's own, with one name, that nobody else may write to. Anything else was put there for
/// the daemon to damage, or for others to read and change what it writes.
func objection(to file: stat) -> String? {
    switch file.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFLNK: return "is a symbolic link"
    default: return "is not a regular file"
    }
    if file.st_uid != geteuid() { return "belongs to user \(file.st_uid)" }
    if file.st_nlink > 1 { return "has \(file.st_nlink) names (hard links)" }
    if file.st_mode & 0o022 != 0 { return "may be written by others" }
    return nil
}
