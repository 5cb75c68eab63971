import CLinux
import Glibc
import Observation
import Procfs
import Records
import SystemCalls

/// Answers from the running host.
final class LiveSurroundings: Surroundings {
    private let roots: MountRoots
    private let network: HostNetwork
    private static let nanosecondsPerTick = 1_000_000_000 / UInt64(max(1, sysconf(Int32(_SC_CLK_TCK))))

    init(roots: MountRoots, network: HostNetwork) {
        self.roots = roots
        self.network = network
    }

    func addresses() -> [NetworkAddress] { network.addresses() }

    func directory(
        _ identity: [UInt8], isKnown: (UnsafeRawBufferPointer) -> Bool
    ) -> DirectoryAnswer? {
        guard identity.count > 16 else { return nil }
        let fsid = identity.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
        return DirectoryResolver.resolve(identity, mountedAt: roots.points(of: fsid), isKnown: isKnown)
    }

    func process(_ pid: Int32) -> ProcessFacts? {
        guard let directory = ProcessDirectory(pid) else { return nil }
        return Self.facts(directory, isLateAnAnswer: false)
    }

    /// - Parameter isLateAnAnswer: whether an interpreter whose arguments are gone is told without its
    ///   script, or not at all.
    static func facts(
        _ directory: borrowing ProcessDirectory, isLateAnAnswer: Bool = true
    ) -> ProcessFacts? {
        guard let status = directory.status() else { return nil }
        let executable = directory.executable() ?? []
        var script: [UInt8]?
        switch RunningScript(executable: executable, directory) {
        case .read(let path): script = path
        case .tooLate: if !isLateAnAnswer { return nil }
        }
        return ProcessFacts(
            pid: directory.pid, parent: status.parent, start: status.startTicks * nanosecondsPerTick,
            executable: executable, script: script, workload: directory.controlGroup(),
            network: directory.namespace("net") ?? 0)
    }

    func head(ofFile path: [UInt8]) -> ExecutableHead {
        guard
            let file = try? FileDescriptor.open(
                bytes: path + [0], O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOATIME),
            let bytes = try? file.readAll(limit: 4096)
        else { return .unknown }
        return ExecutableHead(parsing: bytes)
    }

    func kind(ofFile path: [UInt8]) -> FileKind? {
        var status = stat()
        let result = (path + [0]).withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { lstat($0.baseAddress!, &status) }
        }
        return result == 0 ? FileKind(mode: status.st_mode) : nil
    }
}

extension FileKind {
    /// The kind that `st_mode` names (inode(7)); `nil` for a symbolic link.
    init?(mode: mode_t) {
        switch mode & S_IFMT {
        case S_IFREG: self = .regular
        case S_IFDIR: self = .directory
        case S_IFIFO: self = .fifo
        case S_IFSOCK: self = .socket
        case S_IFCHR: self = .char
        case S_IFBLK: self = .block
        default: return nil
        }
    }
}

/// The script that a process runs, as far as its arguments could be read.
enum RunningScript {
    /// The arguments were read: the script, or `nil` for an executable that runs none.
    case read([UInt8]?)
    /// The process is on its way out and has no arguments any more.
    case tooLate

    init(executable: [UInt8], _ process: borrowing ProcessDirectory) {
        let name = executable.split(separator: UInt8(ascii: "/")).last ?? []
        // Most executables are no interpreters: spare them the reading of their arguments.
        guard Interpreter.named(String(decoding: name, as: UTF8.self)) != nil else {
            self = .read(nil)
            return
        }
        let arguments = process.arguments()
        guard !arguments.isEmpty else {
            self = .tooLate
            return
        }
        guard let script = Interpreter.script(executable: executable, arguments: arguments) else {
            self = .read(nil)
            return
        }
        let path = process.resolve(script)
        // Root and working directory go before the process does, and with them the meaning of a name.
        self = path == nil && process.workingDirectory() == nil ? .tooLate : .read(path)
    }
}
