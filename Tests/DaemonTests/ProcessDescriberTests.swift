import Glibc
import Observation
import Records
import SystemCalls
import Testing

@testable import Daemon

/// Whose lines a dump has, and what is counted as missing.
@Suite struct ProcessDescriberTests {
    private func outcome(
        _ programs: [LivingProgram], deadline: UInt64 = .max
    ) throws -> ProcessDescriber.Outcome {
        let describer = try ProcessDescriber()
        describer.submit(.init(number: 7, programs: programs, started: Clock.wall(), deadline: deadline))
        #expect(describer.isBusy)
        var found: [ProcessDescriber.Outcome] = []
        while found.isEmpty {
            var waiting = pollfd(fd: describer.number, events: Int16(POLLIN), revents: 0)
            _ = poll(&waiting, 1, 1000)
            found = describer.take()
        }
        #expect(found.count == 1 && found[0].number == 7 && !describer.isBusy)
        return found[0]
    }

    private func program(_ executable: String, _ lives: LivingProgram.Life...) -> LivingProgram {
        LivingProgram(executable: Array(executable.utf8), script: [], workload: [], lives: lives)
    }

    private var own: String {
        var name = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &name, 4095)
        return String(decoding: name[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    @Test func theSameLifeAlone() throws {
        let now = Clock.monotonic()
        let pid = getpid()
        // Found later than it began; begun when it says so; and of what is not known when.
        for (start, found) in [(UInt64(0), now), (now, 0), (0, 0)] {
            let done = try outcome([program(own, .init(pid: pid, start: start, found: found))])
            #expect(done.missing == 0)
            #expect(done.processes.map(\.pid) == [UInt32(pid)])
            #expect(done.processes.first?.isStartObserved == (start != 0))
        }
        // This process is younger than the one that is meant, or runs something else: its pid is another's by now.
        for other in [
            program(own, .init(pid: pid, start: 1, found: 0)),
            program(own, .init(pid: pid, start: 0, found: 1)),
            program("/bin/another", .init(pid: pid, start: 0, found: now)),
            program(own, .init(pid: Int32.max, start: 0, found: now)), program(own),
        ] {
            let done = try outcome([other])
            #expect(done.processes.isEmpty)
            #expect(done.missing == 1)
        }
    }

    @Test func theEldestThatCanBeRead() throws {
        let now = Clock.monotonic()
        let done = try outcome([
            program(
                own, .init(pid: Int32.max, start: 0, found: now), .init(pid: getpid(), start: 0, found: now),
                .init(pid: Int32.max - 1, start: now, found: 0))
        ])
        #expect(done.processes.map(\.pid) == [UInt32(getpid())])
        #expect(done.processes.first?.processes == 3)
        #expect(done.missing == 0)
    }

    @Test func whatThereIsNoTimeForIsCounted() throws {
        let done = try outcome(
            [program(own, .init(pid: getpid(), start: 0, found: 0)), program("/bin/b")], deadline: 1)
        #expect(done.processes.isEmpty)
        #expect(done.missing == 2)
    }
}
