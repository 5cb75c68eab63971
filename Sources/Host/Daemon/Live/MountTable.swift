import Procfs

/// The mounts of this namespace at one moment, by identity and by place. A value: any thread may hold it.
struct MountTable: Sendable {
    /// Where a path lies, as far as the table says.
    struct Place: Equatable {
        /// The mount that holds what the path names.
        var mount: Int
        /// How many bytes of the path its mount point has; 1 for the root.
        var point = 1
        /// Who answers for its files.
        var kind: FilesystemKind
        /// Whether a lookup of the path passes a filesystem that is not known to be local, this one included.
        var isForeign: Bool
    }

    private struct Spot: Hashable {
        var parent: Int
        var point: [UInt8]
    }

    private struct Entry {
        var kind: FilesystemKind
        var type: [UInt8]
        var device: UInt64?
    }

    private var entries: [Int: Entry] = [:]
    private var overlays: [Int: Mount] = [:]
    /// Mounts by what they are mounted on: at one place a later one lies on an earlier one, whose child it is.
    private var children: [Spot: Int] = [:]
    private var root: Int?
    /// Devices (`st_dev`) of the kernel's views of itself.
    private(set) var pseudoDevices: Set<UInt64> = []
    /// Whether any mount is not known to be local.
    private(set) var hasForeign = false

    /// A table without mounts: nothing is known.
    init() {}

    /// Takes in a mount table.
    init(_ mounts: [Mount]) {
        let ids = Set(mounts.map(\.id))
        for mount in mounts {
            let kind = mount.kind
            entries[mount.id] = Entry(kind: kind, type: mount.type, device: mount.deviceNumber)
            if mount.type.elementsEqual("overlay".utf8) { overlays[mount.id] = mount }
            if kind == .pseudo, let device = mount.deviceNumber { pseudoDevices.insert(device) }
            if kind == .foreign || kind == .unknown { hasForeign = true }
            children[Spot(parent: mount.parent, point: mount.point)] = mount.id
            // The root of a namespace hangs on a mount that is not shown, or on itself.
            if !ids.contains(mount.parent) || mount.parent == mount.id, mount.point == [UInt8(ascii: "/")] {
                root = mount.id
            }
        }
    }

    /// Who answers for a mount of this namespace; `nil` for one that is not in the table.
    func kind(ofMount id: UInt64) -> FilesystemKind? { Int(exactly: id).flatMap { entries[$0]?.kind } }

    /// The mount with an identity, if it is one of an overlay.
    func overlay(_ id: UInt64) -> Mount? { Int(exactly: id).flatMap { overlays[$0] } }

    /// The type of a mount's filesystem.
    func type(ofMount id: Int) -> [UInt8]? { entries[id]?.type }

    /// Where an absolute path without `..` and symbolic links lies.
    func place(of path: [UInt8]) -> Place? {
        guard path.first == UInt8(ascii: "/"), let root else { return nil }
        var place = Place(mount: root, kind: .local, isForeign: false)
        enter(&place, root)
        descend(&place, [UInt8(ascii: "/")])
        var end = 1
        while end < path.count {
            let next = path[end...].firstIndex(of: UInt8(ascii: "/")) ?? path.count
            if next > end { descend(&place, Array(path[..<next])) }
            end = next + 1
        }
        return place
    }

    /// Follows what is mounted at a path, one upon the other.
    private func descend(_ place: inout Place, _ path: [UInt8]) {
        // Bounded, since a table may say what it likes.
        for _ in 0..<entries.count {
            guard let next = children[Spot(parent: place.mount, point: path)], next != place.mount else {
                return
            }
            enter(&place, next)
            place.point = path.count
        }
    }

    private func enter(_ place: inout Place, _ id: Int) {
        let kind = entries[id]?.kind ?? .unknown
        place.mount = id
        place.kind = kind
        if kind == .foreign || kind == .unknown { place.isForeign = true }
    }
}
