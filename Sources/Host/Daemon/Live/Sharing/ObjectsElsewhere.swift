import CLinux
import Glibc
import Observation
import Procfs
import Records
import SystemCalls

/// Objects of other IPC namespaces, and of a /dev/shm of another mount namespace: who has them mapped, open or used last.
///
/// Names are those of the container, with what distinguishes them from the like of another one.
struct ObjectsElsewhere {
    private struct Segment: Hashable {
        var namespace: UInt64
        var id: Int32
    }

    private struct Queue {
        var holding: SharedObjects.Holding
        var path: [UInt8]
        var hasName: Bool
    }

    /// A process of each namespace.
    private var processes: [UInt64: Int32] = [:]
    private var segments: [Segment: SharedObjects.Holding] = [:]
    private var memory: [FileIdentity: SharedObjects.Holding] = [:]
    /// Open files that are message queues if their filesystem is that of a namespace.
    private var queues: [FileIdentity: Queue] = [:]
    private var found: [(Mechanism, SharedObjects.Holding)] = []
    private static let mark = Array(" (deleted)".utf8)
    /// Namespaces whose tables a scan reads: each takes a thread of its own.
    static let mostNamespaces = 64

    /// Takes in what was found of processes that come after all of those that this has.
    mutating func append(_ later: ObjectsElsewhere) {
        processes.merge(later.processes) { first, _ in first }
        for (segment, holding) in later.segments { SharedObjects.add(holding, &segments[segment]) }
        for (file, holding) in later.memory { SharedObjects.add(holding, &memory[file]) }
        queues.merge(later.queues) { first, later in
            var queue = first
            queue.holding.pids += later.holding.pids
            return queue
        }
    }

    mutating func note(_ pid: Int32, in namespace: UInt64) {
        if processes[namespace] == nil { processes[namespace] = pid }
    }

    mutating func noteSegment(_ key: UInt32, _ id: Int32, _ namespace: UInt64, _ pid: Int32) {
        let segment = SystemVObject(key: key, id: id, count: 0, users: [], lastUse: 0)
        SharedObjects.add(
            pid, Self.name(segment.name, namespace), &segments[Segment(namespace: namespace, id: id)])
    }

    mutating func noteMemory(_ path: [UInt8], _ device: UInt64, _ inode: UInt64, _ pid: Int32) {
        // One that has given up its name is found by nobody else.
        var name: [UInt8] = []
        if path.suffix(Self.mark.count) != Self.mark[...] {
            let place = "\(gnu_dev_major(UInt(device))):\(gnu_dev_minor(UInt(device)))"
            name =
                [UInt8(ascii: "/")] + path.dropFirst(SharedMapping.folder.count)
                + Array(" (device \(place))".utf8)
        }
        SharedObjects.add(pid, name, &memory[FileIdentity(device: device, inode: inode)])
    }

    mutating func noteQueue(_ path: [UInt8], _ status: FileStatus, _ pid: Int32) {
        let file = FileIdentity(device: status.device, inode: status.inode)
        var queue =
            queues[file]
            ?? Queue(holding: SharedObjects.Holding(name: []), path: path, hasName: status.links > 0)
        if queue.holding.pids.last != pid { queue.holding.pids.append(pid) }
        queues[file] = queue
    }

    /// Reads the tables of the namespaces that were met, each by a process that is still in it.
    mutating func readTables() {
        for (namespace, pid) in processes.sorted(by: { $0.key < $1.key }).prefix(Self.mostNamespaces) {
            guard let tables = IPCNamespaceTables(namespace, of: pid) else { continue }
            var known = LivingProcesses(namespace)
            for object in tables.segments {
                let attached = segments.removeValue(forKey: Segment(namespace: namespace, id: object.id))
                add(.shm, object, namespace, (attached?.pids ?? []) + known.pids(of: object.users))
            }
            for object in tables.semaphoreSets { add(.sem, object, namespace, known.pids(of: object.users)) }
            for object in tables.messageQueues { add(.msg, object, namespace, known.pids(of: object.users)) }
            for (file, queue) in queues where file.device == tables.queueDevice {
                var holding = queue.holding
                if queue.hasName { holding.name = Self.name(SharingPlaces.queueName(queue.path), namespace) }
                found.append((.mqueue, holding))
            }
        }
    }

    private mutating func add(
        _ mechanism: Mechanism, _ object: SystemVObject, _ namespace: UInt64, _ pids: [Int32]
    ) {
        found.append((mechanism, SharedObjects.Holding(name: Self.name(object.name, namespace), pids: pids)))
    }

    private static func name(_ name: [UInt8], _ namespace: UInt64) -> [UInt8] {
        name + Array(" (IPC namespace \(namespace))".utf8)
    }

    /// What was found, those segments included that are known by who has them attached alone.
    var holdings: [(Mechanism, SharedObjects.Holding)] {
        found + segments.values.map { (.shm, $0) } + memory.values.map { (.posixShm, $0) }
    }
}

/// What another IPC namespace has at one moment, read inside it.
private struct IPCNamespaceTables {
    private(set) var segments: [SystemVObject] = []
    private(set) var semaphoreSets: [SystemVObject] = []
    private(set) var messageQueues: [SystemVObject] = []
    private(set) var queueDevice: UInt64?

    /// `nil` if the process is gone, has left the namespace, or it cannot be entered (`CAP_SYS_ADMIN` in its user namespace).
    init?(_ inode: UInt64, of pid: Int32) {
        guard let namespace = ProcessDirectory(pid)?.openNamespace("ipc") else { return nil }
        let number = namespace.number
        var status = stat()
        guard fstat(number, &status) == 0, UInt64(status.st_ino) == inode else { return nil }
        var read: (SystemVTables, [SystemVObject], UInt64?)?
        // Pids are those of the daemon's namespace, which the thread does not leave.
        try? NamespaceVisit.run(in: number, CLONE_NEWIPC) {
            let tables = SystemVTables(isKnown: true)
            read = (tables, tables.semaphoreSets(), SharingPlaces.queueDeviceHere())
        }
        guard let read else { return nil }
        (segments, messageQueues) = (read.0.segments, read.0.messageQueues)
        (semaphoreSets, queueDevice) = (read.1, read.2)
    }
}
