import Glibc
public import Procfs

/// Filesystems that are mounted in trees of a plan, of which nothing would be copied: walks stay on one filesystem.
public struct TreeHole: Equatable, Sendable {
    /// Where it is mounted, on the plan's host.
    public var point: [UInt8]
    /// The tree that it is in.
    public var tree: [UInt8]
    /// As mountinfo has it.
    public var mount: Mount
}

extension HostPlan {
    /// Those of a host whose files lie on this machine.
    ///
    /// - Parameter root: where.
    public func holes(root: String) -> [TreeHole] {
        let files = HostTree(root)
        let prefix = files.root == "/" ? [] : Array(files.root.utf8)
        let mounts = ((try? Mount.all()) ?? []).compactMap { mount -> Mount? in
            guard mount.point.starts(with: prefix + [UInt8(ascii: "/")]) else { return nil }
            var inside = mount
            inside.point = Array(mount.point.dropFirst(prefix.count))
            return inside
        }
        return holes(in: mounts) { files.status($0)?.st_dev }
    }

    /// Those among some mounts.
    ///
    /// - Parameter device: the filesystem on which a path lies, as `st_dev` has it. A folder that is mounted in another one of the
    ///   same filesystem is no hole.
    func holes(in mounts: [Mount], device: ([UInt8]) -> dev_t?) -> [TreeHole] {
        var found: [[UInt8]: TreeHole] = [:]
        for mount in mounts where mount.holdsFiles {
            guard let tree = treeAround(mount.point), let own = device(tree), let other = device(mount.point),
                own != other
            else { continue }
            found[mount.point] = TreeHole(point: mount.point, tree: tree, mount: mount)
        }
        return found.values.sorted { $0.point.lexicographicallyPrecedes($1.point) }
    }

    /// The tree that would have copied what lies at a point; `nil` where the plan says by an entry of its own what is done with it, or
    /// copies nothing above it.
    public func treeAround(_ point: [UInt8]) -> [UInt8]? {
        let nearest = entries.filter { point.isBelow($0.path) && ($0.kind == .tree || $0.path == point) }
            .max { $0.path.count < $1.path.count }
        guard let nearest, nearest.path != point,
            nearest.treatment == .preCopy || nearest.treatment == .finalCopy
        else { return nil }
        return nearest.path
    }
}
