import CLinux
import Glibc
import Procfs
import SystemCalls

/// The workloads of control groups that are known by number, on a host that has the unified hierarchy and no other.
///
/// Elsewhere a process is in a group of each hierarchy, and the number of one does not say what it is called by.
final class GroupPaths {
    private let root: FileDescriptor
    private let point: [UInt8]
    private var known: [UInt64: [UInt8]?] = [:]

    /// Groups that are kept; beyond that all are looked up again.
    private static let most = 4096

    /// Finds the hierarchy; `nil` where it is not the only one, or is not mounted here as a whole.
    ///
    /// - Parameters:
    ///   - groups: what /proc/PID/cgroup says of this process.
    ///   - mounts: the mount table.
    init?(groups: [UInt8]? = ProcessDirectory(getpid())?.controlGroups(), mounts: [Mount]? = try? Mount.all())
    {
        guard let groups, groups.starts(with: "0::".utf8),
            groups.split(separator: UInt8(ascii: "\n")).count == 1,
            let mount = mounts?.first(where: {
                $0.type.elementsEqual("cgroup2".utf8) && $0.root == [UInt8(ascii: "/")]
            }),
            let root = try? FileDescriptor.open(bytes: mount.point + [0], O_RDONLY | O_DIRECTORY)
        else { return nil }
        self.root = root
        point = mount.point
    }

    /// Whether the number that perf events give is that of the unified hierarchy, in which a process can be made elsewhere than
    /// its parent (`CLONE_INTO_CGROUP`): the controller `perf_event` may be mounted in one of its own.
    ///
    /// - Parameter groups: what /proc/PID/cgroup says of a process.
    static func areNumbersUnified(_ groups: [UInt8]?) -> Bool {
        let lines = (groups ?? []).split(separator: UInt8(ascii: "\n")).map {
            $0.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
        }
        return lines.contains { $0[0].elementsEqual("0".utf8) }
            && !lines.contains { line in
                line.count > 1
                    && line[1].split(separator: UInt8(ascii: ",")).contains {
                        $0.elementsEqual("perf_event".utf8)
                    }
            }
    }

    /// The workload of a group: a name, `nil` for the root group.
    ///
    /// - Returns: `nil` where the group is gone.
    func workload(of group: UInt64) -> [UInt8]?? {
        if let known = known[group] { return .some(known) }
        guard let path = path(of: group) else { return .none }
        let workload = path.count > 1 ? ContainerNames.host.named(Array(path.dropFirst())) : nil
        if known.count >= Self.most { known.removeAll() }
        known[group] = .some(workload)
        return .some(workload)
    }

    /// Where the group lies in its hierarchy, with the leading slash. Its number is what a file handle of kernfs holds, and so the
    /// kernel finds it. The corresponding C function is `open_by_handle_at`.
    private func path(of group: UInt64) -> [UInt8]? {
        // struct file_handle: the size of what follows it, FILEID_KERNFS, the number.
        var handle: [UInt64] = [8 | 0xfe << 32, group]
        let number = clinux_open_by_handle_at(root.number, &handle, O_PATH | O_CLOEXEC)
        guard number >= 0 else { return nil }
        let folder = FileDescriptor(owning: number)
        guard let path = SymbolicLink.read("/proc/self/fd/\(folder.number)"),
            let rest = NamespaceView.below(path, point),
            !rest.reversed().starts(with: " (deleted)".utf8.reversed())
        else { return nil }
        return rest.isEmpty ? [UInt8(ascii: "/")] : Array(rest)
    }
}
