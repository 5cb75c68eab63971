import CLinux
import Glibc
import Procfs
import SystemCalls

/// The System V objects of the calling thread's IPC namespace at one moment.
struct SystemVTables {
    let segments: [SystemVObject]
    let messageQueues: [SystemVObject]
    private let sets: [SystemVObject]
    private let byID: [Int32: Int]
    /// Every semaphore is a call: of a set so many, and of all so many, are asked about.
    private static let setLimit: UInt64 = 1024
    private static let limit = 1 << 16

    /// - Parameter isKnown: whether it is known which namespace that is: else nobody could be distinguished from those of
    ///   others, and there are none.
    init(isKnown: Bool) {
        segments = isKnown ? SystemVObject.segments(Self.table("shm")) : []
        sets = isKnown ? SystemVObject.semaphoreSets(Self.table("sem")) : []
        messageQueues = isKnown ? SystemVObject.messageQueues(Self.table("msg")) : []
        byID = Dictionary(segments.indices.map { [segments] in (segments[$0].id, $0) }) { first, _ in first }
    }

    /// A segment by its id.
    func segment(_ id: Int32) -> SystemVObject? { byID[id].map { segments[$0] } }

    /// The sets with who last operated on their semaphores; nobody for a set that may not be read.
    func semaphoreSets() -> [SystemVObject] {
        var rest = Self.limit
        return sets.map { set in
            var set = set
            var pids: Set<Int32> = []
            for number in 0..<Int32(min(set.count, Self.setLimit)) where rest > 0 {
                rest -= 1
                do throws(SystemError) {
                    let pid = try SemaphoreSet.lastOperator(set: set.id, number: number)
                    if pid > 0 { pids.insert(pid) }
                } catch { break }
            }
            set.users = pids.sorted().map { SystemVObject.User(pid: $0, until: set.lastUse) }
            return set
        }
    }

    private static func table(_ name: String) -> [UInt8] {
        guard let file = try? FileDescriptor.open("/proc/sysvipc/\(name)", O_RDONLY),
            let bytes = try? file.readAll()
        else { return [] }
        return bytes
    }
}

/// Decides of pids that the kernel kept whether they are still those processes.
struct LivingProcesses {
    private let namespace: UInt64?
    /// Start in seconds since 1970; `nil` for one that is gone or in another IPC namespace.
    private var starts: [Int32: Int64?] = [:]
    private let boot: UInt64
    private static let ticksPerSecond = UInt64(max(1, sysconf(Int32(_SC_CLK_TCK))))

    init(_ namespace: UInt64?) {
        self.namespace = namespace
        let wall = Clock.wall()
        boot = wall - min(wall, Clock.sinceBoot())
    }

    /// Those users of an object that still run, here.
    mutating func pids(of users: [SystemVObject.User]) -> [Int32] {
        var pids: [Int32] = []
        for user in users {
            if let start = start(of: user.pid), user.canBe(startedAt: start) { pids.append(user.pid) }
        }
        return pids
    }

    private mutating func start(of pid: Int32) -> Int64? {
        if let known = starts[pid] { return known }
        let start = read(pid)
        starts[pid] = .some(start)
        return start
    }

    private func read(_ pid: Int32) -> Int64? {
        guard let process = ProcessDirectory(pid), namespace != nil,
            process.namespace("ipc") == namespace, let status = process.status()
        else { return nil }
        let seconds = status.startTicks / Self.ticksPerSecond
        let rest = status.startTicks % Self.ticksPerSecond * (1_000_000_000 / Self.ticksPerSecond)
        return Int64(clamping: seconds &+ (boot &+ rest) / 1_000_000_000)
    }
}
