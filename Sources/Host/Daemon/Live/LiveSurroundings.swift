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
    private let files: FileAccess
    private let calls: BlockingCalls
    private let images: NewImages?
    private static let nanosecondsPerTick = 1_000_000_000 / UInt64(max(1, sysconf(Int32(_SC_CLK_TCK))))

    /// - Parameter images: what knows of execs that are not worked off yet; `nil` where nobody does.
    init(roots: MountRoots, network: HostNetwork, calls: BlockingCalls, images: NewImages? = nil) {
        self.images = images
        self.roots = roots
        self.network = network
        self.calls = calls
        files = FileAccess(roots: roots, calls: calls)
    }

    func addresses() -> [NetworkAddress] { network.addresses() }

    func directory(
        _ identity: [UInt8], isKnown: (UnsafeRawBufferPointer) -> Bool
    ) -> DirectoryAnswer? {
        guard identity.count > 16 else { return nil }
        let fsid = identity.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
        return DirectoryResolver(roots: roots, files: files)
            .resolve(identity, mountedAt: roots.points(of: fsid), isKnown: isKnown)
    }

    func process(_ pid: Int32, unlessExecutedAfter time: UInt64) -> ProcessFacts? {
        let facts = process(pid)
        // Asked behind the look: what was executed before it is reported by now.
        return images?.hasExecuted(pid, after: time) == true ? nil : facts
    }

    func needsLooks() { images?.needLooks() }

    func process(_ pid: Int32) -> ProcessFacts? {
        guard let directory = ProcessDirectory(pid),
            var facts = Self.facts(
                directory, in: files.namespaces.other(directory), files, isLateAnAnswer: false)
        else { return nil }
        if facts.script == nil {
            let next = directory.firstArguments().next
            if !next.isEmpty { facts.argument = NameHash.of(next) }
        }
        return facts
    }

    /// - Parameter isLateAnAnswer: whether an interpreter whose arguments are gone is reported without its
    ///   script, or not at all.
    static func facts(
        _ directory: borrowing ProcessDirectory, in namespace: UInt64?, _ files: FileAccess,
        isLateAnAnswer: Bool = true
    ) -> ProcessFacts? {
        guard let status = directory.status() else { return nil }
        // A process that is gone is not one in the root group.
        let groups = directory.controlGroups()
        guard groups != nil || !ProcessDirectory.hasControlGroups else { return nil }
        let executable = files.executable(of: directory, in: namespace) ?? []
        var script: [UInt8]?
        var reading = ScriptReading.known
        switch RunningScript(executable: executable, directory, files, .later) {
        case .read(let path, let how): (script, reading) = (path, how)
        case .tooLate: if !isLateAnAnswer { return nil }
        }
        var facts = ProcessFacts(
            pid: directory.pid, parent: status.parent, start: status.startTicks &* nanosecondsPerTick,
            executable: executable, script: script, reading: reading,
            workload: groups.flatMap(ContainerNames.host.workload(ofGroups:)),
            network: directory.namespace("net") ?? 0)
        if script == nil { facts.name = status.name }
        return facts
    }

    func head(ofFile path: [UInt8]) -> ExecutableHead {
        files.head(ofFile: path, limit: 4096).map(ExecutableHead.init(parsing:)) ?? .unknown
    }

    func kind(ofFile path: [UInt8]) -> FileKind? { files.mode(ofFile: path).flatMap(FileKind.init(mode:)) }
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
