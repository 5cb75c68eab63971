import Glibc
import Procfs
import SystemCalls

/// A control group as the command line names it.
struct ControlGroupPath: Equatable {
    /// Its path below the root, as a program's workload has it.
    let workload: String
    /// Its folder, where one is known.
    let folder: String?

    /// Understands a path below the root of control groups (`app.slice/web`, also with a slash before it,
    /// as systemctl(1) shows it), or that of a folder below a mounted hierarchy.
    init(_ text: String, mounts: [Mount]) throws(StartError) {
        let hierarchy = Self.hierarchy(of: text, mounts)
        if hierarchy == nil, (text + "/").hasPrefix("/sys/fs/cgroup/") {
            throw StartError(
                "\(text) is in no hierarchy of control groups that names a program's workload; "
                    + "name the group as /proc/PID/cgroup shows it behind '0::'")
        }
        let below = hierarchy.map { $0.root + "/" + text.dropFirst($0.point.count) } ?? text
        let names = below.split(separator: "/")
        if names.isEmpty {
            throw StartError("'\(text)' is the root of all control groups: leave --cgroup out")
        }
        if let bad = names.first(where: { $0 == "." || $0 == ".." }) {
            throw StartError("the control group '\(text)' must be named without '\(bad)'")
        }
        let workload = names.joined(separator: "/")
        self.workload = workload
        folder =
            hierarchy != nil
            ? text
            : Self.hierarchies(mounts).first { $0.root == "/" }.map { $0.point + "/" + workload }
    }

    /// Whether there is such a group now; one that comes later is as good.
    var exists: Bool { folder.map { access($0, F_OK) == 0 } ?? true }

    private struct Hierarchy {
        var root: String
        var point: String
    }

    /// Mounts of the hierarchies that `ProcessDirectory.controlGroup()` reads: the unified one, and
    /// behind it systemd's own of a host that still has several.
    private static func hierarchies(_ mounts: [Mount]) -> [Hierarchy] {
        let unified = mounts.filter { $0.type.elementsEqual("cgroup2".utf8) }
        let systemd = mounts.filter { mount in
            mount.type.elementsEqual("cgroup".utf8)
                && mount.superOptions.split(separator: UInt8(ascii: ","))
                    .contains { $0.elementsEqual("name=systemd".utf8) }
        }
        return (unified + systemd).map { mount in
            Hierarchy(
                root: String(decoding: mount.root, as: UTF8.self),
                point: String(decoding: mount.point, as: UTF8.self))
        }
    }

    /// The mounted hierarchy that a folder lies in, the innermost one.
    private static func hierarchy(of folder: String, _ mounts: [Mount]) -> Hierarchy? {
        hierarchies(mounts).filter { (folder + "/").hasPrefix($0.point + "/") }
            .max { $0.point.utf8.count < $1.point.utf8.count }
    }
}
