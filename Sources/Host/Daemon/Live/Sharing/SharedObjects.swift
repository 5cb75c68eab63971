import CLinux
import Glibc
import Observation
import Procfs
import Records

/// Gathers, in the course of a scan, who shares System V objects, POSIX shared memory and POSIX message queues.
///
/// Descriptors and mappings name a file of these by its inode: that, and not its path, shows whether two
/// processes have the same one, since a name can be given up and taken again.
struct SharedObjects {
    private let places: SharingPlaces
    private let tables: SystemVTables
    private var attached: [Int32: [Int32]] = [:]
    private var memory: [UInt64: Holding] = [:]
    private var queues: [UInt64: Holding] = [:]
    private var memoryNames = MemoryNames()
    private var elsewhere = ObjectsElsewhere()

    struct Holding {
        /// Empty for one that has given up its name, by which nobody will find it any more.
        var name: [UInt8]
        var pids: [Int32] = []
    }

    /// Takes in the tables of this moment.
    init(_ places: SharingPlaces = .own) {
        self.places = places
        tables = SystemVTables(isKnown: places.namespace != nil)
    }

    /// Takes in what was found of processes that come after all of those that this has.
    mutating func append(_ later: SharedObjects) {
        for (id, pids) in later.attached { attached[id, default: []] += pids }
        for (inode, holding) in later.memory { Self.add(holding, &memory[inode]) }
        for (inode, holding) in later.queues { Self.add(holding, &queues[inode]) }
        elsewhere.append(later.elsewhere)
    }

    /// Takes in an open file; says whether it is none that a path leads to (a message queue).
    mutating func note(_ path: [UInt8], _ status: FileStatus, _ pid: Int32) -> Bool {
        guard status.mode & S_IFMT == S_IFREG else { return status.device == places.queueDevice }
        if status.device == places.memoryDevice {
            noteMemory(path, status.inode, pid)
        } else if SharingPlaces.isMemory(path) {
            elsewhere.noteMemory(path, status.device, status.inode, pid)
        }
        guard status.device == places.queueDevice else {
            if gnu_dev_major(UInt(status.device)) == 0, SharingPlaces.mayBeQueue(path) {
                elsewhere.noteQueue(path, status, pid)
            }
            return false
        }
        let name = status.links == 0 ? [] : SharingPlaces.queueName(path)
        Self.add(pid, name, &queues[status.inode])
        return true
    }

    /// Takes in a process, in whichever IPC namespace it is.
    mutating func note(_ process: borrowing ProcessDirectory) {
        guard let place = process.namespace("ipc"), place != places.namespace else { return }
        elsewhere.note(process.pid, in: place)
    }

    /// Takes in what a process has mapped.
    mutating func note(_ mappings: [SharedMapping], _ process: borrowing ProcessDirectory) {
        let pid = process.pid
        var namespace: UInt64?
        for mapping in mappings {
            if let key = mapping.segmentKey {
                guard let id = Int32(exactly: mapping.inode) else { continue }
                let place = namespace ?? process.namespace("ipc") ?? 0
                namespace = place
                // Every IPC namespace numbers its segments by itself.
                guard place == places.namespace else {
                    if place != 0 { elsewhere.noteSegment(key, id, place, pid) }
                    continue
                }
                // A segment that is to go with its last user has no key any more.
                guard let segment = tables.segment(id), segment.key == key || segment.key == 0 else {
                    continue
                }
                Self.add(pid, &attached[id, default: []])
            } else if places.isMemory(mapping) {
                noteMemory(mapping.path, mapping.inode, pid)
            } else if SharingPlaces.isMemory(mapping.path) {
                let device = UInt64(clinux_makedev(mapping.major, mapping.minor))
                elsewhere.noteMemory(mapping.path, device, mapping.inode, pid)
            }
        }
    }

    private mutating func noteMemory(_ path: [UInt8], _ inode: UInt64, _ pid: Int32) {
        guard SharingPlaces.isMemory(path) else { return }
        let isKnown = memory[inode].map { !$0.name.isEmpty } ?? false
        let name = isKnown ? [] : memoryNames.name(path, inode)
        Self.add(pid, name, &memory[inode])
    }

    /// What was found, each object that somebody holds or used last.
    consuming func channels() -> [ChannelSnapshot] {
        var known = LivingProcesses(places.namespace)
        var channels: [ChannelSnapshot] = []
        func add(_ mechanism: Mechanism, _ name: [UInt8], _ pids: [Int32]) {
            if !pids.isEmpty {
                channels.append(ChannelSnapshot(mechanism, name: name, holders: pids, peers: pids))
            }
        }
        for segment in tables.segments {
            add(.shm, segment.name, (attached[segment.id] ?? []) + known.pids(of: segment.users))
        }
        for set in tables.semaphoreSets() { add(.sem, set.name, known.pids(of: set.users)) }
        for queue in tables.messageQueues { add(.msg, queue.name, known.pids(of: queue.users)) }
        for holding in memory.values { add(.posixShm, holding.name, holding.pids) }
        elsewhere.readTables()
        for (mechanism, holding) in elsewhere.holdings { add(mechanism, holding.name, holding.pids) }
        for holding in queues.values { add(.mqueue, holding.name, holding.pids) }
        return channels
    }

    static func add(_ pid: Int32, _ name: [UInt8], _ holding: inout Holding?) {
        var found = holding ?? Holding(name: name)
        if found.name.isEmpty { found.name = name }
        add(pid, &found.pids)
        holding = found
    }

    /// Takes in later holders of the same.
    static func add(_ later: Holding, _ holding: inout Holding?) {
        guard var found = holding else {
            holding = later
            return
        }
        if found.name.isEmpty { found.name = later.name }
        found.pids += later.pids
        holding = found
    }

    /// A process is scanned at once, so it can only be the last.
    private static func add(_ pid: Int32, _ pids: inout [Int32]) {
        if pids.last != pid { pids.append(pid) }
    }
}
