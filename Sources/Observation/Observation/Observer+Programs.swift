import Records

/// A program that has records, and its living processes.
public struct LivingProgram: Sendable {
    /// A life of a pid.
    public struct Life: Sendable {
        /// The process.
        public var pid: Int32
        /// The fork, `CLOCK_MONOTONIC`, nanoseconds; 0 where it was not observed.
        public var start: UInt64
        /// When a scan met it whose fork was not observed, `CLOCK_MONOTONIC`, nanoseconds; 0 where none did.
        public var found: UInt64

        /// Makes one.
        public init(pid: Int32, start: UInt64, found: UInt64) {
            (self.pid, self.start, self.found) = (pid, start, found)
        }
    }

    /// Executable, script and workload; empty where it has none.
    public var executable: [UInt8]
    /// See `executable`.
    public var script: [UInt8]
    /// See `executable`.
    public var workload: [UInt8]
    /// Its processes, those first whose start was not observed, then by their start.
    public var lives: [Life]

    /// Makes one.
    public init(executable: [UInt8], script: [UInt8], workload: [UInt8], lives: [Life]) {
        (self.executable, self.script, self.workload) = (executable, script, workload)
        self.lives = lives
    }
}

extension Observer {
    /// The programs that a dump of this moment is about and that run, in the order in which they were met.
    public func livingPrograms() -> [LivingProgram] {
        var hasRecords = [Bool](repeating: false, count: ledger.programs.count)
        for record in ledger.records { hasRecords[Int(record.key.program.rawValue)] = true }
        hasRecords[Int(ProgramID.unknown.rawValue)] = false
        var lives: [UInt32: [LivingProgram.Life]] = [:]
        processes.forEachLiving { process in
            let number = process.image.program.rawValue
            guard hasRecords[Int(number)] else { return }
            lives[number, default: []].append(
                .init(pid: process.pid, start: process.start, found: process.foundAt))
        }
        return lives.sorted { $0.key < $1.key }.map { number, lives in
            let program = ledger.programs[Int(number)]
            return LivingProgram(
                executable: ledger.texts.array(program.executable),
                script: ledger.texts.array(program.script),
                workload: ledger.texts.array(program.workload),
                lives: lives.sorted { ($0.start, $0.pid) < ($1.start, $1.pid) })
        }
    }
}
