import Fanotify
import Glibc
import Procfs
import SystemCalls

/// Marks on every real filesystem of which events can come without harm to it.
///
/// By file handle where the filesystem can, and else not at all: the other way, by descriptor, opens each file a second
/// time, waits for whoever serves it and keeps the mount busy. The configuration may name types that are watched so
/// all the same. See "Foreign filesystems" in docs/architecture.md.
struct FilesystemWatch: ~Copyable {
    /// The group that names objects by handle.
    private(set) var handles: FanotifyGroup
    /// The other one, opened when the first filesystem turns up that the configuration wants watched so.
    private(set) var descriptors: DescriptorWatch?
    let roots = MountRoots()
    /// Calls that a server may keep waiting; shared by all that look at files.
    let calls = BlockingCalls()
    private let unlimitedQueue: Bool
    private let descriptorTypes: Set<String>
    private let reportsLayersOfOverlays: Bool
    private let mountTable: FileDescriptor
    /// Filesystems that are watched, by mode.
    private(set) var handleCount = 0
    private(set) var descriptorCount = 0
    /// How many of them were marked just now that had not been.
    private var fresh = 0
    private var mounts: [Mount] = []
    /// Whether what is marked now was not there when this began.
    private var isLater = false
    /// Filesystems that are not.
    private(set) var unwatched: [UnwatchedFilesystem] = []

    /// How many events may wait; `nil` for as many as memory holds.
    let queueLimit: Int?

    /// Creates the group and marks what is mounted now.
    ///
    /// - Parameter queueLimit: how many events may wait; `nil` for as many as memory holds.
    /// - Parameter descriptorTypes: types of filesystems, such as `fuse.sshfs`, that are watched by descriptor if
    ///   they cannot be watched by handle.
    init(queueLimit: Int?, descriptorTypes: Set<String> = []) throws(SystemError) {
        var limit = queueLimit
        let group = try Self.group(&limit)
        let table = try FileDescriptor.open("/proc/self/mountinfo", O_RDONLY)
        roots.beginReading()
        let mounts = try Mount.all(in: table)
        handles = group
        mountTable = table
        self.queueLimit = limit
        unlimitedQueue = queueLimit == nil
        self.descriptorTypes = descriptorTypes
        reportsLayersOfOverlays = KernelRelease.reportsLayersOfOverlays
        if !reportsLayersOfOverlays {
            // Overlays will come; where it cannot be opened now that is tried again with each.
            descriptors = try? DescriptorWatch(unlimitedQueue: unlimitedQueue, roots)
        }
        useMarks()
        mark(mounts)
        isLater = true
        roots.markAtOnce()
    }

    private func useMarks() {
        roots.others.filesystems.use(handles.marker, forOverlays: descriptors?.marker)
    }

    private static func group(_ limit: inout Int?) throws(SystemError) -> FanotifyGroup {
        guard var events = limit else { return try FanotifyGroup(.fileHandle, unlimitedQueue: true) }
        let group = try FanotifyGroup.bounded(.fileHandle, events: &events)
        limit = events
        return group
    }

    /// The number that becomes readable when the group in descriptor mode has events, if there is one.
    var descriptorsNumber: Int32? { descriptors?.number }

    /// The number to poll for changes of the mount table (`EPOLLPRI`).
    var mountTableNumber: Int32 { mountTable.number }

    /// What is not watched, in sentences for people: few, however many mounts there are.
    var refused: [String] { UnwatchedFilesystem.sentences(unwatched) { SystemError.text(of: $0) } }

    /// When a filesystem that was set aside may be tried again by `refresh`, `CLOCK_MONOTONIC`, nanoseconds; `nil`
    /// while none is.
    var retryTime: UInt64? {
        guard unwatched.contains(where: { $0.reason == .noAnswer }) else { return nil }
        return calls.delays.values.map(\.until).min() ?? 0
    }

    /// What a look at the mount table found.
    struct Change {
        /// Filesystems that were marked just now, and had not been.
        var fresh: Int
        /// Whether the mounts are others than before.
        var isChanged: Bool
    }

    /// Marks every filesystem of the mount table as it is now; one that is marked already stays so.
    ///
    /// The table is open: a process that is out of descriptors learns of new mounts as well.
    mutating func refresh() throws(SystemError) -> Change {
        roots.beginReading()
        let before = mounts
        mark(try Mount.all(in: mountTable))
        return Change(fresh: fresh + roots.takeFresh(), isChanged: mounts != before)
    }

    /// Puts a new group in the place of one that cannot be read any more.
    mutating func reopen() throws(SystemError) {
        var limit = queueLimit
        let group = try Self.group(&limit)
        roots.beginReading()
        let mounts = try Mount.all(in: mountTable)
        handles = group
        useMarks()
        mark(mounts)
    }

    private mutating func mark(_ mounts: [Mount]) {
        let before = unwatched
        let table = MountTable(mounts)
        handleCount = 0
        descriptorCount = 0
        fresh = 0
        self.mounts = mounts
        unwatched = []
        var points: [UInt64: [[UInt8]]] = [:]
        for filesystem in Self.filesystems(mounts) { mark(filesystem, table, &points, before) }
        let whole = [UInt8(ascii: "/")]
        let parts = Set(mounts.filter { $0.root != whole }.map(\.point))
        roots.replace(with: table, points: points, parts: parts)
        for new in unwatched
        where new.reason == .noAnswer && !before.contains(where: { $0.point == new.point }) {
            Message.print(
                UnwatchedFilesystem.sentences([new]) { SystemError.text(of: $0) }.joined(separator: "\n"))
        }
    }

    /// The mounts of each filesystem, those of a whole one before those of a part of it, later ones first: a later
    /// mount hides an earlier one at the same point.
    static func filesystems(_ mounts: [Mount]) -> [[Mount]] {
        let root = [UInt8(ascii: "/")]
        var order: [[UInt8]] = []
        var byDevice: [[UInt8]: [Mount]] = [:]
        let real = mounts.reversed().filter(\.isReal)
        for mount in real.filter({ $0.root == root }) + real.filter({ $0.root != root }) {
            if byDevice[mount.device] == nil { order.append(mount.device) }
            byDevice[mount.device, default: []].append(mount)
        }
        return order.map { byDevice[$0] ?? [] }
    }

    // MARK: One filesystem

    /// A filesystem with a mark.
    struct Marked {
        /// With which its events come.
        var fsid: UInt64?
        /// Whether it had none before.
        var isNew: Bool
    }

    private enum Outcome {
        case byHandle(Marked)
        case byDescriptor(isNew: Bool)
        /// Seen on its layers.
        case seenElsewhere
        case unwatched(UnwatchedFilesystem.Reason)
    }

    private mutating func mark(
        _ mounts: [Mount], _ table: MountTable, _ points: inout [UInt64: [[UInt8]]],
        _ before: [UnwatchedFilesystem]
    ) {
        switch outcome(mounts, table) {
        case .byHandle(let marked):
            handleCount += 1
            if marked.isNew {
                fresh += 1
                if isLater, mounts[0].kind == .local { roots.noteFresh(at: mounts[0].point) }
            }
            if let fsid = marked.fsid { points[fsid, default: []] += mounts.map(\.point) }
        case .byDescriptor(let isNew):
            descriptorCount += 1
            if isNew { fresh += 1 }
        case .seenElsewhere: break
        case .unwatched(let reason):
            let known = before.first { $0.point == mounts[0].point && $0.type == mounts[0].type }
            unwatched.append(
                UnwatchedFilesystem(
                    point: mounts[0].point, type: mounts[0].type, reason: reason,
                    since: known?.since ?? Clock.wall()))
        }
    }

    private mutating func outcome(_ mounts: [Mount], _ table: MountTable) -> Outcome {
        let first = mounts[0]
        let isOverlay = first.type.elementsEqual("overlay".utf8)
        // A second report would double what is reported on the layer.
        if isOverlay, reportsLayersOfOverlays { return .seenElsewhere }
        if first.kind != .foreign {
            switch byHandle(mounts, table) {
            case .unwatched(.noHandles): break
            case let outcome: return outcome
            }
        }
        // The kernel itself serves an overlay: nobody has to be waited for.
        if isOverlay || descriptorTypes.contains(String(decoding: first.type, as: UTF8.self)) {
            return byDescriptor(mounts, table)
        }
        return .unwatched(first.kind == .foreign ? .foreign : .noHandles)
    }

    /// Tries every mount of a filesystem: of a btrfs only one of its top can be marked.
    private func byHandle(_ mounts: [Mount], _ table: MountTable) -> Outcome {
        var last = Outcome.unwatched(.hidden)
        for mount in mounts {
            do throws(MountEntrance.Obstacle) {
                let root = try MountEntrance.open(mount, table, calls)
                return .byHandle(try mark(root, mount))
            } catch .refused(let error) {
                guard [EOPNOTSUPP, ENODEV, EXDEV, EINVAL].contains(error.code) else {
                    return .unwatched(.refused(error.code))
                }
                last = .unwatched(.noHandles)
            } catch .noAnswer {
                return .unwatched(.noAnswer)
            } catch {
                continue
            }
        }
        guard let mount = mounts.first, mount.type.elementsEqual("btrfs".utf8) else { return last }
        do throws(SystemError) {
            let top = try MountEntrance.topOfBtrfs(mount)
            let isNew = try handles.marker.mark(filesystemOf: top.number)
            return .byHandle(Marked(fsid: MountRoots.fsid(ofDescriptor: top.number), isNew: isNew))
        } catch { return .unwatched(.refused(error.code)) }
    }

    /// Marks the filesystem of an open directory.
    private func mark(
        _ root: borrowing FileDescriptor, _ mount: Mount
    ) throws(MountEntrance.Obstacle) -> Marked {
        let marker = handles.marker
        let number = root.number
        // What is known to be local answers; what is not gets a copy of the descriptor, which it may keep.
        guard mount.kind != .local else { return try Self.mark(marker, number) }
        let path = mount.point + [0]
        guard
            let answer = calls.run(
                UInt64(mount.id),
                { () -> Result<Marked, MountEntrance.Obstacle> in
                    guard let number = LateDescriptor(path).take() else { return .failure(.hidden) }
                    let root = FileDescriptor(owning: number)
                    return Result { () throws(MountEntrance.Obstacle) in try Self.mark(marker, root.number) }
                })
        else { throw .noAnswer }
        return try answer.get()
    }

    private static func mark(
        _ marker: FanotifyGroup.Marker, _ root: Int32
    ) throws(MountEntrance.Obstacle) -> Marked {
        do throws(SystemError) {
            let isNew = try marker.mark(filesystemOf: root)
            return Marked(fsid: MountRoots.fsid(ofDescriptor: root), isNew: isNew)
        } catch { throw .refused(error) }
    }

    private mutating func byDescriptor(_ mounts: [Mount], _ table: MountTable) -> Outcome {
        do throws(SystemError) {
            if descriptors == nil { descriptors = try DescriptorWatch(unlimitedQueue: unlimitedQueue, roots) }
        } catch { return .unwatched(.refused(error.code)) }
        guard let marker = descriptors?.marker else { return .unwatched(.noHandles) }
        var last = UnwatchedFilesystem.Reason.hidden
        for mount in mounts {
            let path = mount.point + [0]
            let answer = calls.run(UInt64(mount.id)) { () -> Result<Bool, SystemError> in
                Result { () throws(SystemError) in try marker.mark(filesystemAt: path) }
            }
            switch answer {
            case nil: return .unwatched(.noAnswer)
            case .success(let isNew): return .byDescriptor(isNew: isNew)
            case .failure(let error): last = .refused(error.code)
            }
        }
        return .unwatched(last)
    }
}
