import CLinux
import Glibc
import Observation
import Procfs
import SystemCalls

/// Whether the numbers of control groups that perf events give are those of the groups, and not of groups above them.
///
/// The number is that of the nearest group with a state of the controller `perf_event`, which is implicit in the unified hierarchy:
/// but the kernel makes such states for the groups below the root only when the first controller was enabled there. Before
/// that all have the root's number, which is 1.
final class GroupNumbers {
    private let folder: FileDescriptor
    private var wereTrue = true
    /// Whether a controller is enabled for the groups below: then none lacks its state, and none will.
    private var isEnabled = false

    /// - Parameter mounts: the mount table.
    /// - Returns: `nil` where the hierarchy is not mounted as a whole.
    init?(mounts: [Mount]? = try? Mount.all()) {
        guard
            let mount = mounts?.first(where: {
                $0.type.elementsEqual("cgroup2".utf8) && $0.root == [UInt8(ascii: "/")]
            }), let folder = try? FileDescriptor.open(bytes: mount.point + [0], O_PATH | O_DIRECTORY)
        else { return nil }
        self.folder = folder
    }

    /// Whether numbers that were just given are those of the groups.
    func areTrue(for numbers: some Sequence<UInt64>) -> Bool {
        if isEnabled { return true }
        var hasAny = false
        var hasRoot = false
        for number in numbers {
            hasAny = true
            if number <= 1 { hasRoot = true }
        }
        guard hasAny else { return wereTrue }
        // Another number is the proof of a state below the root; the root's own may be anybody's.
        guard hasRoot else {
            wereTrue = true
            return true
        }
        isEnabled = Self.isAnyEnabled(read("cgroup.subtree_control"))
        wereTrue = isEnabled || Self.haveStates(read("cgroup.stat"))
        return wereTrue
    }

    /// Whether some controller is enabled below, by what `cgroup.subtree_control` says.
    static func isAnyEnabled(_ text: [UInt8]?) -> Bool { text?.contains { $0 > UInt8(ascii: " ") } ?? false }

    /// Whether each group has a state, by what `cgroup.stat` of the root says (`nr_subsys_perf_event`): the root has one itself. A
    /// kernel that does not say it is not believed.
    static func haveStates(_ text: [UInt8]?) -> Bool {
        guard let text, let groups = NumberLine.value("nr_descendants ", in: text),
            let states = NumberLine.value("nr_subsys_perf_event ", in: text)
        else { return false }
        return states > groups
    }

    private func read(_ name: String) -> [UInt8]? {
        do throws(SystemError) {
            return try folder.openRelative(name, O_RDONLY).readAll(limit: 4096)
        } catch { return nil }
    }
}
