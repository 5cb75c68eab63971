import CLinux
import Glibc
import Placement
import Records
import SystemCalls

/// A program that decides where programs run: it reads a question on its standard input, writes the answer on its standard
/// output, and ends with 0.
struct SchedulerProgram {
    /// The program and its arguments.
    let words: [String]
    /// Seconds that it may take.
    let patience: Int

    /// - Parameter words: the name of one that comes with Retinue, or a program.
    init(_ words: [String], patience: Int) {
        self.patience = patience
        guard words.count == 1, Scheduler(rawValue: words[0]) != nil else {
            self.words = words
            return
        }
        // It is asked as everybody else's.
        self.words = ["/proc/\(getpid())/exe", "move", "scheduler", words[0]]
    }

    /// Asks the scheduler of a policy; a signal ends the command, and the scheduler with it.
    static func ask(_ policy: PlacementPolicy, _ question: PlacementQuestion) throws -> PlacementAnswer {
        do {
            return try SchedulerProgram(policy.scheduler, patience: policy.patience)
                .answer(to: question, signals: HeldSignals())
        } catch let interrupted as HeldSignals.Interrupted {
            interrupted.die()
        }
    }

    /// The answer to a question, held against it.
    func answer(to question: PlacementQuestion, signals: HeldSignals) throws -> PlacementAnswer {
        let input = try Self.file()
        let output = try Self.file()
        let errors = try Self.file()
        var text = JSONWriter()
        text.value(question.value)
        text.endDocument()
        let bytes = text.bytes
        do throws(SystemError) {
            try bytes.withUnsafeBufferPointer { bytes throws(SystemError) in
                try input.writeAll(UnsafeRawBufferPointer(bytes))
            }
        } catch { throw Failure("the question: \(error)") }
        guard lseek(input.number, 0, SEEK_SET) == 0 else {
            throw Failure("lseek: \(SystemError.text(of: errno))")
        }
        let child = try ChildProcess(
            words.map { Array($0.utf8) }, output: "/proc/\(getpid())/fd/\(errors.number)",
            data: output.number,
            input: input.number, signals: signals)
        let end = Clock.monotonic() + UInt64(patience) * 1_000_000_000
        while !child.isOver {
            guard Clock.monotonic() < end else {
                child.end()
                throw Failure("the scheduler \(name) has not answered within \(patience) s")
            }
            try signals.wait(100_000_000)
        }
        let status = try child.wait()
        guard status == 0 else {
            let said = String(decoding: try Self.contents(errors, limit: 4096), as: UTF8.self)
            throw Failure(
                "the scheduler \(name) ended with \(status)",
                details: said.split(separator: "\n").prefix(5).map { String($0).printable })
        }
        let said = try Self.contents(output, limit: Self.mostBytes)
        guard said.count < Self.mostBytes, let value = try? JSONValue(parsing: said) else {
            throw Failure(
                "the scheduler \(name) answered what is no JSON, or more than \(Self.mostBytes >> 20) MiB of it"
            )
        }
        do throws(PlacementFlaw) { return try PlacementAnswer(value, to: question) } catch {
            throw Failure("the scheduler \(name): \(error.description.printable)")
        }
    }

    private var name: String { words.joined(separator: " ").printable }

    private static let mostBytes = 16 << 20

    /// A file without a name (memfd_create(2), Linux 3.17).
    private static func file() throws -> FileDescriptor {
        let number = memfd_create("scheduler", UInt32(MFD_CLOEXEC))
        guard number >= 0 else { throw Failure("memfd_create: \(SystemError.text(of: errno))") }
        return FileDescriptor(owning: number)
    }

    private static func contents(_ file: borrowing FileDescriptor, limit: Int) throws -> [UInt8] {
        guard lseek(file.number, 0, SEEK_SET) == 0 else {
            throw Failure("lseek: \(SystemError.text(of: errno))")
        }
        return try file.readAll(limit: limit)
    }
}
