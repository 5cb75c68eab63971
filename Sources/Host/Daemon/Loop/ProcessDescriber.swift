import CLinux
import Glibc
import Observation
import ProcessReading
import Procfs
import Records
import SystemCalls

/// Reads what programs run with, for the `process` lines of a dump, on a thread of its own: a process can keep whoever
/// reads its arguments waiting, and then a dump goes without them.
final class ProcessDescriber: Sendable {
    /// What a dump asks for.
    struct Job: Sendable {
        let number: UInt64
        let programs: [LivingProgram]
        /// When the observation began, nanoseconds since 1970.
        let started: UInt64
        /// `CLOCK_MONOTONIC`, nanoseconds; what was not begun by then is left out.
        let deadline: UInt64
    }

    /// What came of it.
    struct Outcome: Sendable {
        let number: UInt64
        let processes: [ProcessDescription]
        /// Programs that run, as far as is known, and of which none could be read.
        let missing: UInt64
    }

    /// How long reading may take, nanoseconds.
    static let patience: UInt64 = 2_000_000_000
    /// The most that the lines of a dump may have of arguments and environments, in bytes, and the most lines.
    static let mostBytes = 8 << 20
    static let mostLines = 4096
    /// Processes of a program that are looked at, so as to find the eldest of those that were there before, and what they wrote.
    private static let mostCompared = 256

    private let worker: BackgroundWorker<Job, Outcome>

    init() throws(SystemError) {
        worker = try BackgroundWorker { job in
            let reading = Reading(job)
            return reading.outcome()
        }
    }

    var number: Int32 { worker.number }
    /// Whether it still reads what an earlier dump asked for: a process keeps it waiting.
    var isBusy: Bool { worker.outstanding > 0 }
    func submit(_ job: Job) { worker.submit(job) }
    func take() -> [Outcome] { worker.take() }

    /// One job under way.
    private struct Reading {
        let job: Job
        let names = AccountNames.ofThisMachine()
        let own: [String: UInt64]
        let tick = 1_000_000_000 / UInt64(max(1, sysconf(Int32(_SC_CLK_TCK))))
        /// What `CLOCK_BOOTTIME` is ahead of `CLOCK_MONOTONIC`: the host has slept so long.
        let slept: UInt64
        /// When the host was booted, nanoseconds since 1970.
        let booted: UInt64

        /// The UTS namespace that the machine started with, by its inode since Linux 3.8 (PROC_UTS_INIT_INO): process 1's,
        /// where it is kept from being looked at.
        private static let initialNames: UInt64 = 0xEFFF_FFFE

        init(_ job: Job) {
            self.job = job
            var own: [String: UInt64] = [:]
            if let directory = ProcessDirectory(getpid()) {
                for kind in ProcessDirectory.namespaceKinds { own[kind] = directory.namespace(kind) }
            }
            // The daemon's is a copy that nobody else is in, where its unit keeps it from changing the host's name
            // (ProtectHostname=).
            own["uts"] = ProcessDirectory(1)?.namespace("uts") ?? Self.initialNames
            self.own = own
            let (boot, monotonic, wall) = (Clock.sinceBoot(), Clock.monotonic(), Clock.wall())
            slept = boot > monotonic ? boot - monotonic : 0
            booted = wall > boot ? wall - boot : 0
        }

        func outcome() -> Outcome {
            var found: [ProcessDescription] = []
            var bytes = 0
            for program in job.programs {
                guard bytes < ProcessDescriber.mostBytes, found.count < ProcessDescriber.mostLines,
                    Clock.monotonic() < job.deadline
                else { break }
                guard let process = description(of: program) else { continue }
                bytes += (process.settings.arguments + process.settings.environment).reduce(0) {
                    $0 + $1.count
                }
                found.append(process)
            }
            return Outcome(
                number: job.number, processes: found, missing: UInt64(job.programs.count - found.count))
        }

        /// Of the eldest of a program's processes that can be read.
        private func description(of program: LivingProgram) -> ProcessDescription? {
            for life in elders(of: program) {
                guard let directory = ProcessDirectory(life.pid), let status = directory.status(),
                    isSame(life, status), isRunning(program.executable, directory),
                    let settings = ProcessSettings(directory, names, isOwnNamespace: { own[$0] == $1 }),
                    // Read while it became another program, it would be of none.
                    isRunning(program.executable, directory)
                else { continue }
                let start = booted &+ status.startTicks &* tick
                let met = life.found == 0 ? job.started : booted &+ slept &+ life.found
                var process = ProcessDescription(
                    executable: program.executable, script: program.script, workload: program.workload,
                    pid: UInt32(life.pid), start: start, observed: life.start != 0 ? start : max(start, met),
                    isStartObserved: life.start != 0)
                process.processes = UInt64(program.lives.count)
                process.written = written(by: program)
                process.settings = settings
                return process
            }
            return nil
        }

        /// What its processes have had written, as far as it can be read of them; `nil` if of none.
        private func written(by program: LivingProgram) -> UInt64? {
            var sum: UInt64?
            for life in program.lives.prefix(ProcessDescriber.mostCompared) {
                guard let directory = ProcessDirectory(life.pid), let bytes = directory.bytesWritten() else {
                    continue
                }
                sum = (sum ?? 0) &+ bytes
            }
            return sum
        }

        /// Its processes, the eldest first: of those that were there before, only /proc knows the order.
        private func elders(of program: LivingProgram) -> [LivingProgram.Life] {
            let before = program.lives.prefix { $0.start == 0 }
            guard before.count > 1 else { return program.lives }
            let compared = before.prefix(ProcessDescriber.mostCompared).map { life in
                (life: life, ticks: ProcessDirectory(life.pid)?.status()?.startTicks ?? .max)
            }
            return compared.sorted { ($0.ticks, $0.life.pid) < ($1.ticks, $1.life.pid) }.map(\.life)
                + program.lives.dropFirst(compared.count)
        }

        /// Whether a pid still is the life that is meant, and not given to a later one.
        private func isSame(_ life: LivingProgram.Life, _ status: ProcessStatus) -> Bool {
            let start = status.startTicks &* tick
            let known = life.start == 0 ? life.found : life.start
            // What was asked for by itself was met at no moment that is known.
            return known == 0 || start <= known &+ slept &+ tick * 2
        }

        /// Whether a process runs an executable: by its name, since its mount namespace may show another path.
        private func isRunning(_ executable: [UInt8], _ directory: borrowing ProcessDirectory) -> Bool {
            guard !executable.isEmpty, let path = directory.executable() else { return executable.isEmpty }
            func name(_ path: [UInt8]) -> ArraySlice<UInt8> {
                path[(path.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0)...]
            }
            return name(path) == name(executable)
        }
    }
}
