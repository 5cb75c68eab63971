import CLinux
import Glibc
import Procfs
import Text

/// What CRIU refuses of a process's descriptors that are no sockets, and what of them is cut off by the move.
struct DescriptorObstacles {
    let relations: Relations

    /// Deleted files up to this size are brought along (`--ghost-limit` of criu(8)).
    static let ghostLimit: UInt64 = 1 << 20

    /// Who else has pipes and terminals has to be looked for.
    static func addWanted(of process: SurveyedProcess, to wanted: inout Holders.Wanted) {
        for descriptor in process.descriptors {
            switch descriptor.kind {
            case .pipe(let inode): wanted.pipes.insert(inode)
            case .path(let path):
                if let number = terminal(path) { wanted.terminals.insert(number) }
            default: break
            }
        }
    }

    /// The number of `/dev/pts/N`.
    private static func terminal(_ path: [UInt8]) -> Int32? {
        let folder = Array("/dev/pts/".utf8)
        guard path.starts(with: folder) else { return nil }
        return Int32(String(decoding: path.dropFirst(folder.count), as: UTF8.self))
    }

    func found(
        _ process: SurveyedProcess, _ directory: borrowing ProcessDirectory, _ holders: Holders
    ) -> [Obstacle] {
        let mounts = Set(directory.mounts().map { UInt64($0.id) })
        var obstacles: [Obstacle] = []
        for descriptor in process.descriptors {
            var obstacle = Obstacle(
                rulesOut: .live, effect: .refused, pid: process.pid, place: .descriptor(descriptor.number),
                kind: "", what: "", peer: nil, cure: "close it, or use cold")
            let found: Bool
            switch descriptor.kind {
            case .pipe(let inode):
                found = shared(
                    holders.pipes[inode] ?? [], process, "pipe", "a pipe that is shared with another tree",
                    &obstacle)
            case .anonymous(let word):
                found = anonymous(word, descriptor, process, directory, &obstacle)
            case .secret:
                (obstacle.kind, obstacle.what) = ("secret-memory", "memory of memfd_secret(2)")
                found = true
            case .path(let path):
                found = file(path, descriptor, process, directory, mounts, holders, &obstacle)
            case .socket, .memory, .other: found = false
            }
            if found { obstacles.append(obstacle) }
        }
        return obstacles
    }

    private func shared(
        _ pids: [Int32], _ process: SurveyedProcess, _ kind: String, _ what: String,
        _ obstacle: inout Obstacle
    ) -> Bool {
        guard let outsider = relations.outsider(among: pids, to: process.tree) else { return false }
        (obstacle.effect, obstacle.kind, obstacle.what) = (.lost, kind, what)
        obstacle.peer = outsider.name
        obstacle.cure = outsider.cure(close: "have it read from or write to a file instead")
        return true
    }

    /// Descriptors without a file.
    private func anonymous(
        _ word: String, _ descriptor: SurveyedDescriptor, _ process: SurveyedProcess,
        _ directory: borrowing ProcessDirectory, _ obstacle: inout Obstacle
    ) -> Bool {
        switch word {
        case "pidfd":
            guard let target = directory.traits(descriptor: descriptor.number)?.process, target > 0,
                let outsider = relations.outsider(among: [target], to: process.tree)
            else { return false }
            (obstacle.kind, obstacle.what) = ("pidfd", "a descriptor of a process of another tree")
            obstacle.peer = outsider.name
            obstacle.cure = outsider.cure(close: "close it")
            return true
        case "fanotify":
            guard directory.traits(descriptor: descriptor.number)?.marksFilesystems == true else {
                return false
            }
            (obstacle.kind, obstacle.what) = ("fanotify", "a fanotify group with marks of whole filesystems")
            return true
        default:
            guard !DescriptorKind.kept.contains(word) else { return false }
            (obstacle.kind, obstacle.what) = (word, "a descriptor of \(word)")
            if word == "io_uring" { obstacle.cure = "have the program use epoll or threads, or use cold" }
            return true
        }
    }

    /// Descriptors with a path.
    private func file(
        _ path: [UInt8], _ descriptor: SurveyedDescriptor, _ process: SurveyedProcess,
        _ directory: borrowing ProcessDirectory, _ mounts: Set<UInt64>, _ holders: Holders,
        _ obstacle: inout Obstacle
    ) -> Bool {
        guard let status = directory.statistics(descriptor: descriptor.number) else { return false }
        let name = Printable.text(path)
        let type = status.mode & S_IFMT
        if type == S_IFREG, Self.isQueue(process.pid, descriptor.number, status, mounts) {
            (obstacle.kind, obstacle.what) = ("mqueue", "the POSIX message queue \(name)")
            return true
        }
        if type == S_IFCHR || type == S_IFBLK {
            let device = dev_t(status.special)
            let (major, minor) = (gnu_dev_major(device), gnu_dev_minor(device))
            guard type == S_IFCHR, DescriptorKind.isKept(characterDevice: major, minor) else {
                (obstacle.kind, obstacle.what) = ("device", "the device \(name), \(major):\(minor)")
                return true
            }
            if let number = Self.terminal(path), let holders = holders.terminals[number],
                let outsider = relations.outsider(among: holders, to: process.tree)
            {
                (obstacle.kind, obstacle.what) = (
                    "terminal", "the terminal \(name), whose other side is not in its tree"
                )
                obstacle.peer = outsider.name
                obstacle.cure =
                    "start the program without a terminal (setsid(1), its output into a file), or use cold"
                return true
            }
        }
        // Mounted nowhere that the process sees: in another mount namespace, outside of its root, or not any more.
        if status.mount != 0, !mounts.isEmpty, !mounts.contains(status.mount), Self.hasMount(path) {
            (obstacle.kind, obstacle.what) = ("mount", "\(name), of a mount that the process does not see")
            obstacle.cure = "start the program with files of its own root and mount namespace, or use cold"
            return true
        }
        if type == S_IFREG, path.suffix(10).elementsEqual(" (deleted)".utf8), status.size > Self.ghostLimit {
            (obstacle.kind, obstacle.what) = ("deleted-file", "\(name), of \(status.size) bytes")
            obstacle.cure = "have the program open the file that is there now, or start it again; or use cold"
            return true
        }
        return false
    }

    /// Memory has no mount, whatever its path looks like.
    private static func hasMount(_ path: [UInt8]) -> Bool {
        !["/dev/zero (deleted)", "/SYSV", "/[aio]", "/anon_hugepage"].contains { path.starts(with: $0.utf8) }
    }

    /// Whether it is a message queue: of a mount of the kernel's own, or of one that the process sees.
    static func isQueue(_ pid: Int32, _ number: Int32, _ status: FileStatus, _ mounts: Set<UInt64>) -> Bool {
        // A queue's size is what read(2) gives of it: asked is what can be one.
        guard !mounts.contains(status.mount), status.size <= 256 else { return false }
        var counts = statfs()
        guard statfs("/proc/\(pid)/fd/\(number)", &counts) == 0 else { return false }
        return UInt32(truncatingIfNeeded: counts.f_type) == UInt32(clinux_MQUEUE_MAGIC)
    }
}
