import Glibc
import Procfs
import Records
import SystemCalls

/// What this host and the programs of some moves have to do, measured over a time.
///
/// Demand is the mean number of threads that ran or waited for a processor: unlike their share of the processors it says
/// what they would take where there was room. Of threads that began meanwhile all counts; those that ended meanwhile are missing.
struct HostLoad {
    /// The processes of a move that run here.
    struct Programs {
        var name: String
        /// By pid and start.
        var processes: [Members.Process]
    }

    /// Times of all threads of a process, by their numbers.
    private typealias Times = [Int32: ScheduledTime]

    /// Measures for some seconds.
    static func measure(
        of programs: [Programs], seconds: Double, host: String
    ) throws(MoveError) -> JSONValue {
        let begin = Clock.monotonic()
        let before = times()
        guard !before.isEmpty else {
            throw MoveError("this kernel does not count for how long threads wait (CONFIG_SCHED_INFO)")
        }
        usleep(UInt32(seconds * 1e6))
        let after = times()
        let elapsed = Double(Clock.monotonic() - begin)
        var (all, own): (Share, [Int32: Share]) = (Share(), [:])
        for (pid, threads) in after {
            let share = Share(threads, since: before[pid] ?? [:])
            all.add(share)
            own[pid] = share
        }
        let memory = Memory()
        return .object([
            .init("schema", .string("retinue-load/1")), .init("host", .string(host)),
            .init("seconds", .double(elapsed / 1e9)),
            .init("processors", .double(Double(max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))))),
            .init("demand", .double(all.demand / elapsed)), .init("used", .double(all.used / elapsed)),
            .init("memory", .integer(Int128(memory.total))),
            .init("available", .integer(Int128(memory.available))),
            .init(
                "moves",
                .array(
                    programs.map { programs in
                        var (sum, bytes): (Share, UInt64) = (Share(), 0)
                        for process in programs.processes {
                            sum.add(own[process.pid] ?? Share())
                            bytes += ProcessDirectory(process.pid)?.ownMemory() ?? 0
                        }
                        return .object([
                            .init("move", .string(programs.name)),
                            .init("processes", .integer(Int128(programs.processes.count))),
                            .init("demand", .double(sum.demand / elapsed)),
                            .init("used", .double(sum.used / elapsed)),
                            .init("memory", .integer(Int128(bytes))),
                        ])
                    })),
        ])
    }

    /// Of all processes that this one sees: those of its pid namespace.
    private static func times() -> [Int32: Times] {
        var found: [Int32: Times] = [:]
        for pid in ProcessList.pids() where pid != getpid() {
            guard let times = ProcessDirectory(pid)?.scheduledTimes(), !times.isEmpty else { continue }
            found[pid] = times
        }
        return found
    }

    /// Nanoseconds of a processor.
    private struct Share {
        var demand = 0.0
        var used = 0.0

        init() {}

        init(_ now: Times, since before: Times) {
            for (thread, time) in now {
                // Another thread with its number has begun at 0.
                let then = before[thread].flatMap {
                    $0.ran <= time.ran && $0.waited <= time.waited ? $0 : nil
                }
                let (ran, waited) = (time.ran - (then?.ran ?? 0), time.waited - (then?.waited ?? 0))
                used += Double(ran)
                demand += Double(ran) + Double(waited)
            }
        }

        mutating func add(_ other: Share) {
            demand += other.demand
            used += other.used
        }
    }

    /// Of /proc/meminfo, in bytes (`MemAvailable`: Linux 3.14).
    private struct Memory {
        var total: UInt64 = 0
        var available: UInt64 = 0

        init() {
            guard let file = try? FileDescriptor.open("/proc/meminfo", O_RDONLY),
                let bytes = try? file.readAll(limit: 1 << 16)
            else { return }
            for line in bytes.split(separator: UInt8(ascii: "\n")) {
                let words = line.split(separator: UInt8(ascii: " "))
                guard words.count >= 2, let number = UInt64(String(decoding: words[1], as: UTF8.self)) else {
                    continue
                }
                switch String(decoding: words[0], as: UTF8.self) {
                case "MemTotal:": total = number << 10
                case "MemAvailable:": available = number << 10
                default: break
                }
            }
        }
    }
}
