import CLinux
import Fanotify
import Glibc
import Observation
import Procfs
import Records
import Synchronization
import SystemCalls

/// Filesystems that other mount namespaces show and the daemon's does not: the tmpfs of a container, the image of a unit,
/// what `PrivateMounts=` hides.
///
/// They are marked through `/proc/PID/root`, and named by a path that no other file has: `/mnt:` and the workload in which
/// the namespace was met, then the path in the namespace. Nothing is held open: neither a namespace nor a filesystem
/// lives longer for being watched. May be used from any thread.
final class PrivateFilesystems: Sendable {
    /// What became of a filesystem that was to be watched.
    enum Outcome {
        case watched
        /// Nothing of it can be opened by the process, as things are: something else is mounted over it, or the root lies
        /// elsewhere.
        case hidden
        case not
    }

    /// How a filesystem can be reached.
    fileprivate struct Way {
        var namespace: UInt64
        var mount: Mount
    }

    fileprivate struct Filesystem {
        var fsid: UInt64
        /// What its events call the directory that is mounted first: `fsid` and a `struct file_handle`.
        var top: [UInt8]
        /// The first component of its paths.
        var label: [UInt8]
        /// What the paths are made by: the first mount that was met.
        var mount: Mount
        var ways: [Way]
    }

    fileprivate struct State {
        /// By device, as the mount table has it.
        var filesystems: [[UInt8]: Filesystem] = [:]
        /// Those that are gone, whose last events may still wait to be interpreted, oldest first.
        var gone: [Filesystem] = []
        var marker: FanotifyGroup.Marker?
        var overlayMarker: FanotifyGroup.Marker?
        /// Processes in each namespace, by whose root a mount point is a path; those that were met first come first.
        var people: [UInt64: [Int32]] = [:]
        /// The first component of the paths of what each namespace shows first.
        var labels: [UInt64: [UInt8]] = [:]
        /// Whether a filesystem was marked that had not been.
        var hasFresh = false
        /// Whether one was given another name.
        var hasMoved = false
        /// Whether scans have met every namespace once: what is marked before then was there before the daemon.
        var isSettled = false
    }

    private let state = Mutex(State())
    /// Filesystems that are watched so.
    static let most = 1024
    /// Namespaces of each filesystem, and processes of each namespace, that are kept.
    private static let mostWays = 16
    /// Filesystems that are remembered when they are gone.
    private static let mostGone = 64

    /// Says by whom filesystems are marked from here on; those that are marked are to be marked again.
    func use(_ marker: FanotifyGroup.Marker, forOverlays overlayMarker: FanotifyGroup.Marker?) {
        state.withLock { state in
            state.marker = marker
            state.overlayMarker = overlayMarker
        }
    }

    /// What sets marks by handle.
    var marker: FanotifyGroup.Marker? { state.withLock { $0.marker } }

    /// How many are watched.
    var count: Int { state.withLock { $0.filesystems.count } }

    /// Whether one was marked that had not been, since this was last asked.
    func takeFresh() -> Bool {
        state.withLock { state in
            defer { state.hasFresh = false }
            return state.hasFresh
        }
    }

    /// Takes note of a process through which the filesystems of its namespace can be reached.
    ///
    /// - Parameter willStay: whether it will probably be there for longer than the others.
    func note(_ pid: Int32, in namespace: UInt64, willStay: Bool = false) {
        state.withLock { state in
            guard var people = state.people[namespace], !people.contains(pid) else { return }
            if people.count >= Self.mostWays { people.removeAll { ProcessDirectory($0) == nil } }
            // Those that have been there for longer will probably stay.
            if people.count >= Self.mostWays { people.removeLast() }
            people.insert(pid, at: willStay ? 0 : people.count)
            state.people[namespace] = people
        }
    }

    // MARK: Marks

    /// Marks a filesystem of another namespace.
    ///
    /// - Parameter mounts: its mounts there, the best first.
    func watch(
        _ mounts: [Mount], _ table: MountTable, _ namespace: UInt64, _ process: borrowing ProcessDirectory
    ) -> Outcome {
        let (marker, overlayMarker, isFull) = state.withLock { state in
            (state.marker, state.overlayMarker, state.filesystems.count >= Self.most)
        }
        guard let device = mounts.first?.device else { return .watched }
        if isFull, !isKnown(device) { return .not }
        var isHidden = true
        for mount in mounts {
            // Whoever answers for it, or for what lies on the way to it, would have to be waited for.
            guard mount.kind == .local, let place = table.place(of: mount.point), !place.isForeign else {
                isHidden = false
                continue
            }
            let path = Self.root(of: process.pid) + mount.point + [0]
            guard let status = FileStatus(path), status.mount == 0 || status.mount == UInt64(mount.id) else {
                continue
            }
            isHidden = false
            let isOverlay = mount.type.elementsEqual("overlay".utf8)
            guard let marker = isOverlay ? overlayMarker : marker,
                let isNew = Self.mark(marker, path, mount)
            else { continue }
            note(mount, namespace, process, isNew: isNew, path)
            return .watched
        }
        return isHidden ? .hidden : .not
    }

    /// The processes by which a namespace can be reached.
    func people(in namespace: UInt64) -> [Int32] { state.withLock { $0.people[namespace] ?? [] } }

    private func isKnown(_ device: [UInt8]) -> Bool { state.withLock { $0.filesystems[device] != nil } }

    private static func mark(_ marker: FanotifyGroup.Marker, _ path: [UInt8], _ mount: Mount) -> Bool? {
        if let isNew = try? marker.mark(filesystemAt: path) { return isNew }
        guard mount.type.elementsEqual("btrfs".utf8), let top = try? MountEntrance.topOfBtrfs(mount) else {
            return nil
        }
        return try? marker.mark(filesystemOf: top.number)
    }

    private func note(
        _ mount: Mount, _ namespace: UInt64, _ process: borrowing ProcessDirectory, isNew: Bool,
        _ path: [UInt8]
    ) {
        let way = Way(namespace: namespace, mount: mount)
        let workload = process.controlGroup()
        let found = isNew || !isKnown(mount.device) ? MountRoots.top(path) : nil
        let hasMoved = !isNew && isElsewhere(mount, namespace)
        state.withLock { state in
            if isNew {
                state.hasFresh = state.hasFresh || state.isSettled
                // The number of one that is gone.
                if let before = state.filesystems.removeValue(forKey: mount.device) {
                    state.noteUnmounted(before)
                }
            }
            if state.filesystems[mount.device] == nil {
                guard let found else { return }
                let label = state.label(workload ?? [], namespace)
                state.filesystems[mount.device] = Filesystem(
                    fsid: found.fsid, top: found.identity, label: label, mount: mount, ways: [])
            }
            if hasMoved {
                state.filesystems[mount.device]?.mount = mount
                state.hasMoved = true
            }
            state.filesystems[mount.device]?.add(way, most: Self.mostWays)
            if state.people[namespace] == nil { state.people[namespace] = [process.pid] }
        }
    }

    /// Whether the mount by which a filesystem is named lies somewhere else by now, as after pivot_root(2). A process whose
    /// root is another one sees it under another path too: the first name stays as long as it is anybody's.
    private func isElsewhere(_ mount: Mount, _ namespace: UInt64) -> Bool {
        let known = state.withLock { state in
            (state.filesystems[mount.device]?.mount, state.people[namespace] ?? [])
        }
        guard let before = known.0, before.id == mount.id, before.point != mount.point else { return false }
        return !known.1.contains { pid in
            FileStatus(Self.root(of: pid) + before.point + [0])?.mount == UInt64(mount.id)
        }
    }

    /// The namespaces that show a filesystem, if it does not lie any more where its name says; `nil` if it does.
    func namespacesIfMoved(_ fsid: UInt64) -> [UInt64]? {
        for (filesystem, way, pid) in ways(where: { $0.fsid == fsid })
        where way.mount.id == filesystem.mount.id {
            guard let status = FileStatus(Self.root(of: pid) + filesystem.mount.point + [0]) else { continue }
            if status.mount == 0 || status.mount == UInt64(way.mount.id) { return nil }
        }
        return state.withLock { state in
            state.filesystems.values.filter { $0.fsid == fsid }.flatMap { $0.ways.map(\.namespace) }
        }
    }

    /// Whether a filesystem has got other paths, since this was last asked.
    func takeMoved() -> Bool {
        state.withLock { state in
            defer { state.hasMoved = false }
            return state.hasMoved
        }
    }

    /// Lets those go that no namespace shows any more.
    func keep(_ namespaces: Set<UInt64>, shownHere devices: Set<[UInt8]>) {
        state.withLock { state in
            state.isSettled = true
            state.people = state.people.filter { namespaces.contains($0.key) }
            state.labels = state.labels.filter { namespaces.contains($0.key) }
            for (device, filesystem) in state.filesystems {
                let ways = filesystem.ways.filter { namespaces.contains($0.namespace) }
                state.filesystems[device]?.ways = ways
                if ways.isEmpty || devices.contains(device) {
                    state.filesystems[device] = nil
                    state.noteUnmounted(filesystem)
                }
            }
        }
    }

    /// Forgets what could be reached through a namespace that is gone.
    func forget(_ namespace: UInt64) {
        state.withLock { state in
            state.people[namespace] = nil
            state.labels[namespace] = nil
            for (device, filesystem) in state.filesystems {
                let ways = filesystem.ways.filter { $0.namespace != namespace }
                state.filesystems[device]?.ways = ways
                guard ways.isEmpty else { continue }
                state.filesystems[device] = nil
                state.noteUnmounted(filesystem)
            }
        }
    }

    // MARK: Names

    /// The path of a directory that is the top of a filesystem, whether that can still be reached or not: what lies below
    /// is known from the events alone where it was empty at first.
    func path(ofTop identity: [UInt8]) -> [UInt8]? {
        state.withLock { state in
            (state.filesystems.values.first { $0.top == identity }
                ?? state.gone.last { $0.top == identity })?.path
        }
    }

    /// A copy of a mount of the filesystem, mounted nowhere, and the path at which it stands for it.
    ///
    /// Only in its own namespace may a mount be copied: a thread goes there for it, and ends.
    func enter(_ fsid: UInt64, _ calls: BlockingCalls) -> FileAccess.Entrance? {
        for (filesystem, way, pid) in ways(where: { $0.fsid == fsid }) {
            guard let point = filesystem.path(of: way.mount.root, by: way.mount) else { continue }
            let copy = calls.run(way.namespace) { LateDescriptor(owning: Self.copy(way, pid)) }
            if let number = copy?.take() {
                return FileAccess.Entrance(
                    directory: FileDescriptor(owning: number), prefix: point,
                    isPart: way.mount.root != [UInt8(ascii: "/")])
            }
        }
        return nil
    }

    /// How a filesystem can be reached, the likeliest way first.
    private func ways(where isIt: (Filesystem) -> Bool) -> [(Filesystem, Way, Int32)] {
        state.withLock { state in
            state.filesystems.values.filter(isIt).flatMap { filesystem in
                filesystem.ways.reversed().flatMap { way in
                    (state.people[way.namespace] ?? []).map { (filesystem, way, $0) }
                }
            }
        }
    }

    private static func copy(_ way: Way, _ pid: Int32) -> Int32 {
        guard let process = ProcessDirectory(pid), process.namespace("mnt") == way.namespace,
            let root = try? FileDescriptor.open(bytes: root(of: pid) + [0], O_PATH | O_DIRECTORY),
            let namespace = try? FileDescriptor.open("/proc/\(pid)/ns/mnt", O_RDONLY),
            clinux_enter_mount_namespace(namespace.number) == 0
        else { return -1 }
        let flags = UInt32(clinux_OPEN_TREE_CLONE) | UInt32(O_CLOEXEC) | UInt32(AT_EMPTY_PATH)
        let point = String(decoding: way.mount.point.drop { $0 == UInt8(ascii: "/") }, as: UTF8.self)
        let number = clinux_open_tree(root.number, point, flags)
        guard number >= 0 else { return -1 }
        let copy = FileDescriptor(owning: number)
        // Its /proc may be another one there, or none: the directory is opened from itself.
        guard let directory = try? copy.openRelative(".", O_RDONLY | O_DIRECTORY | O_NONBLOCK),
            let status = FileStatus(descriptor: directory.number),
            way.mount.type.elementsEqual("btrfs".utf8) || way.mount.deviceNumber == status.device
        else { return -1 }
        return directory.release()
    }

    /// The path of what another namespace's process has under a path of its own.
    ///
    /// - Parameters:
    ///   - mount: the mount on which it lies.
    ///   - inner: its path from the top of the filesystem.
    func path(of inner: [UInt8], on mount: Mount) -> [UInt8]? {
        state.withLock { $0.filesystems[mount.device]?.path(of: inner, by: mount) }
    }

    /// A path through /proc to what one of these paths names; `nil` for any other path, and where nobody is left in the
    /// namespace.
    func reach(_ path: [UInt8]) -> [UInt8]? {
        guard Self.isPrivate(path) else { return nil }
        let end = path.dropFirst().firstIndex(of: UInt8(ascii: "/")) ?? path.count
        let label = path[1..<end]
        let rest = path[end...]
        for (filesystem, way, pid) in ways(where: { $0.label.elementsEqual(label) }) {
            guard way.mount == filesystem.mount, NamespaceView.below(Array(rest), way.mount.point) != nil
            else {
                continue
            }
            let root = Self.root(of: pid)
            guard let status = FileStatus(root + way.mount.point + [0]),
                status.mount == 0 || status.mount == UInt64(way.mount.id)
            else { continue }
            return root + rest
        }
        return nil
    }

    /// Whether a path is one of these.
    static func isPrivate(_ path: [UInt8]) -> Bool {
        path.count > 5 && path[0] == UInt8(ascii: "/") && path[1...].starts(with: MountNamespacePath.prefix)
    }

    private static func root(of pid: Int32) -> [UInt8] { Array("/proc/\(pid)/root".utf8) }
}

extension PrivateFilesystems.State {
    fileprivate mutating func noteUnmounted(_ filesystem: PrivateFilesystems.Filesystem) {
        gone.removeAll { $0.top == filesystem.top }
        if gone.count >= 64 { gone.removeFirst() }
        gone.append(filesystem)
    }

    /// The first component of the paths of a namespace: the workload, as one component, and where another namespace has
    /// that name already, or there is none, the namespace's own number and the second in which it was met, since numbers
    /// are given again.
    fileprivate mutating func label(_ workload: [UInt8], _ namespace: UInt64) -> [UInt8] {
        if let known = labels[namespace] { return known }
        let made = newLabel(workload, namespace)
        labels[namespace] = made
        return made
    }

    private func newLabel(_ workload: [UInt8], _ namespace: UInt64) -> [UInt8] {
        let name = (WorkloadName.recorded(workload) ?? workload).drop { $0 == UInt8(ascii: "/") }
        let number = Array("\(namespace)-\(Clock.wall() / 1_000_000_000)".utf8)
        if name.isEmpty { return MountNamespacePath.label(number) }
        let label = MountNamespacePath.label(Array(name))
        let isTaken = labels.values.contains(label) || filesystems.values.contains { $0.label == label }
        return isTaken ? label + [UInt8(ascii: ":")] + number : label
    }
}

extension PrivateFilesystems.Filesystem {
    fileprivate mutating func add(_ way: PrivateFilesystems.Way, most: Int) {
        ways.removeAll { $0.namespace == way.namespace }
        if ways.count >= most { ways.removeFirst() }
        ways.append(way)
    }

    /// The path at which it is mounted.
    fileprivate var path: [UInt8] { join(mount.point[...]) }

    /// The path of something in it; by the mount that shows it where the mount that names everything does not show it.
    fileprivate func path(of inner: [UInt8], by other: Mount) -> [UInt8]? {
        for mount in [mount, other] {
            guard let rest = NamespaceView.below(inner, mount.root) else { continue }
            return join(NamespaceView.join(mount.point, rest)[...])
        }
        return nil
    }

    private func join(_ path: ArraySlice<UInt8>) -> [UInt8] {
        [UInt8(ascii: "/")] + label + (path == [UInt8(ascii: "/")] ? [] : path)
    }
}
