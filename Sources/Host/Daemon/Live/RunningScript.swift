import Glibc
import Observation
import Procfs
import SystemCalls

/// The script that a process runs, as far as it could be read.
///
/// Arguments are names that somebody wrote: a script is recorded only if there is a file of that name, looked at from
/// the process's own root and working directory. No contents are read but the first bytes of what is executable.
enum RunningScript {
    /// When a process is looked at.
    enum Moment {
        /// Right after its exec.
        case exec
        /// Any time later: it may have written over its arguments, and changed its directory and standard input.
        case later
    }

    /// What was read: the script, `nil` for an executable that runs none or one that is not known.
    case read([UInt8]?, ScriptReading)
    /// The process is on its way out and has no arguments any more.
    case tooLate

    /// The most that is read of the arguments, in bytes.
    private static let limit = 1 << 16

    init(executable: [UInt8], _ process: borrowing ProcessDirectory, _ files: FileAccess, _ moment: Moment) {
        var read: [UInt8]?
        self.init(executable: executable, process, files, moment, arguments: &read)
    }

    /// The same; `read` becomes the arguments, at least their first 512 bytes, if they had to be read.
    init(
        executable: [UInt8], _ process: borrowing ProcessDirectory, _ files: FileAccess, _ moment: Moment,
        arguments read: inout [UInt8]?
    ) {
        // A kernel thread.
        guard !executable.isEmpty else {
            self = .read(nil, .known)
            return
        }
        let name =
            executable.lastIndex(of: UInt8(ascii: "/")).map { executable[($0 + 1)...] } ?? executable[...]
        let isKnown = name.withUnsafeBytes { Interpreter.isKnown($0) }
        // Most executables are no interpreters, and those in the folders of the system have names that are known:
        // at most execs nothing more is read.
        if !isKnown, SystemFolder.holds(executable) {
            self = .read(nil, .known)
            return
        }
        guard
            let original = isKnown
                ? executable : InterpreterCopies.host.original(of: executable, process, files)
        else {
            self = Self.ownInterpreter(process, files, &read)
            return
        }
        let bytes = process.argumentBytes(limit: Self.limit)
        read = bytes
        guard !bytes.isEmpty else {
            self = .tooLate
            return
        }
        let isWhole = bytes.count < Self.limit
        if moment == .later, let stack = process.initialStack(), !stack.holds(bytes, isWhole: isWhole) {
            self = Self.byExecutedName(process, files)
            return
        }
        var arguments = ProcessDirectory.splitArguments(bytes)
        // The last one may have been cut off.
        if !isWhole { arguments.removeLast() }
        let found = Interpreter.interpreted(executable: original, arguments: arguments, isWhole: isWhole) {
            name in
            Self.argumentFile(name, process, files)
        }
        switch found {
        case .nothing: self = .read(nil, .known)
        case .unknown: self = Self.ifIntact(process, bytes, isWhole, files, .read(nil, .unknown))
        case .input: self = Self.ifIntact(process, bytes, isWhole, files, Self.input(process, files, moment))
        case .named(let named):
            let reading: ScriptReading = named.isApplication ? .application : .known
            for name in named.files {
                if let path = Self.script(name, process, files) {
                    self = .read(path, reading)
                    return
                }
            }
            // Root and working directory go before the process does, and with them the meaning of a name.
            if process.workingDirectory() == nil {
                self = .tooLate
            } else if let name = named.name {
                self = .read(name, reading)
            } else {
                self = Self.ifIntact(process, bytes, isWhole, files, .read(nil, .unknown))
            }
        }
    }

    /// The path of a regular file that the process calls so.
    private static func script(
        _ name: [UInt8], _ process: borrowing ProcessDirectory, _ files: FileAccess
    ) -> [UInt8]? {
        guard let file = process.file(named: name, uncached: files.lookUp),
            file.status.mode & S_IFMT == S_IFREG
        else { return nil }
        return files.path(file, of: process)
    }

    /// Arguments that say nothing may be no arguments: what is known of a process that has overwritten them.
    private static func ifIntact(
        _ process: borrowing ProcessDirectory, _ bytes: [UInt8], _ isWhole: Bool, _ files: FileAccess,
        _ answer: RunningScript
    ) -> RunningScript {
        guard let stack = process.initialStack(), !stack.holds(bytes, isWhole: isWhole) else { return answer }
        return byExecutedName(process, files)
    }

    /// A process that has overwritten its arguments: the kernel still has the path of the `#!` file.
    private static func byExecutedName(_ process: borrowing ProcessDirectory, _ files: FileAccess)
        -> RunningScript
    {
        guard let name = process.executedName(), let path = script(name, process, files),
            case .script = head(of: name, process, files)
        else { return .read(nil, .unknown) }
        return .read(path, .known)
    }

    /// A script that comes by the standard input.
    private static func input(
        _ process: borrowing ProcessDirectory, _ files: FileAccess, _ moment: Moment
    ) -> RunningScript {
        guard let status = process.statistics(descriptor: 0), status.mode & S_IFMT == S_IFREG,
            status.links > 0
        else { return .read(nil, .known) }
        // It may have come there later.
        guard moment == .exec, let path = script(Array("/proc/self/fd/0".utf8), process, files) else {
            return .read(nil, .unknown)
        }
        return .read(path, .known)
    }

    /// An interpreter that is not known as one, and whose first argument is a `#!` file that names this very executable
    /// and hands it nothing else: so it runs what its first argument names.
    private static func ownInterpreter(
        _ process: borrowing ProcessDirectory, _ files: FileAccess, _ read: inout [UInt8]?
    ) -> RunningScript {
        let none = RunningScript.read(nil, .known)
        let bytes = process.argumentBytes(limit: 4096)
        read = bytes
        let arguments = ProcessDirectory.splitArguments(bytes)
        guard arguments.count > 1, let first = arguments[1].first, first != UInt8(ascii: "-"),
            let file = process.file(named: arguments[1], uncached: files.lookUp),
            file.status.mode & S_IFMT == S_IFREG, file.status.mode & 0o111 != 0,
            case .script(let interpreter) = head(of: arguments[1], process, files),
            let own = process.executableStatus(),
            let named = process.file(named: interpreter, uncached: files.lookUp)?.status,
            named.inode == own.inode, named.device == own.device
        else { return none }
        guard let path = files.path(file, of: process) else { return .read(nil, .unknown) }
        return .read(path, .known)
    }

    /// How the kernel executes a file that a process names.
    private static func head(
        of name: [UInt8], _ process: borrowing ProcessDirectory, _ files: FileAccess
    ) -> ExecutableHead {
        contents(of: name, process, files, limit: 256).map(ExecutableHead.init(parsing:)) ?? .unknown
    }

    /// A file that holds arguments. What not everybody may read is not read for a process that perhaps may not.
    private static func argumentFile(
        _ name: [UInt8], _ process: borrowing ProcessDirectory, _ files: FileAccess
    ) -> [UInt8]? {
        guard let file = process.file(named: name, uncached: files.lookUp), file.status.mode & S_IROTH != 0,
            let bytes = contents(of: name, process, files), bytes.count < 1 << 16
        else { return nil }
        return bytes
    }

    /// The first bytes of a file that a process names, as it sees it.
    private static func contents(
        of name: [UInt8], _ process: borrowing ProcessDirectory, _ files: FileAccess, limit: Int = 1 << 16
    ) -> [UInt8]? {
        guard let file = process.file(named: name, uncached: files.lookUp) else { return nil }
        let base = name[0] == UInt8(ascii: "/") ? "root" : "cwd/"
        return files.head(of: Array("/proc/\(process.pid)/\(base)".utf8) + name, file.status, limit: limit)
    }
}
