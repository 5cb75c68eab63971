import EventTrace
import Records
import TestSupport
import Testing

@testable import Daemon

/// A recording may come from anybody, as the attachment of a bug report does: whatever it holds, a
/// replay ends, and with a dump that can be read.
@Suite struct HostileRecordingTests {
    private struct Frame {
        var tag: UInt8
        var payload: [UInt8]

        var bytes: [UInt8] {
            [tag] + withUnsafeBytes(of: UInt32(payload.count).littleEndian) { Array($0) } + payload
        }
    }

    private static func frames(_ bytes: [UInt8]) throws -> [Frame] {
        var reader = try TraceReader(bytes)
        var frames: [Frame] = []
        while let frame = try reader.next() {
            frames.append(Frame(tag: frame.tag!.rawValue, payload: Array(reader.raw(frame))))
        }
        return frames
    }

    /// Replays, and writes and reads the dump; `nil` for what is refused.
    @discardableResult
    private func replay(_ bytes: [UInt8]) throws -> Int? {
        guard var replay = try? Replay(bytes) else { return nil }
        _ = replay.run()
        var dump: [UInt8] = []
        replay.ledger.writeNDJSON(header: DumpHeader()) { dump.append(contentsOf: $0) }
        let contents = try DumpContents(ndjson: dump)
        let count = contents.ledger.records.count
        return count
    }

    @Test func changedBytes() throws {
        var replayed = 0
        hostileInputs(from: [Recording.sample.bytes, Recording.withLosses.bytes], count: 4000, seed: 23) {
            bytes in
            do { if try replay(bytes) != nil { replayed += 1 } } catch { Issue.record("\(error)") }
        }
        #expect(replayed > 1000)
    }

    /// Frames in another order, left out, doubled, their payloads changed and cut off: deeper than a
    /// changed length gets.
    @Test(arguments: [false, true]) func changedFrames(_ hasLosses: Bool) throws {
        let good = try Self.frames((hasLosses ? Recording.withLosses : Recording.sample).bytes)
        var generator = SeededGenerator(seed: 23)
        var replayed = 0
        for _ in 0..<4000 {
            var frames = good
            for _ in 0..<Int.random(in: 1...12, using: &generator) {
                let place = Int.random(in: 1..<frames.count, using: &generator)
                switch Int.random(in: 0..<8, using: &generator) {
                case 0: frames.swapAt(place, Int.random(in: 1..<frames.count, using: &generator))
                case 1 where frames.count > 3: frames.remove(at: place)
                case 2: frames.append(frames[place])
                case 3: frames[place].tag = UInt8.random(in: 0...40, using: &generator)
                case 4: frames[place].payload.removeLast(min(frames[place].payload.count, 3))
                default: Self.change(&frames[place].payload, &generator)
                }
            }
            if try replay(traceMagic + frames.flatMap(\.bytes)) != nil { replayed += 1 }
        }
        #expect(replayed > 3000)
    }

    /// Sets a number of one to eight bytes to one of the values that arithmetic goes wrong at.
    private static func change(_ payload: inout [UInt8], _ generator: inout SeededGenerator) {
        guard !payload.isEmpty else { return }
        let start = Int.random(in: 0..<payload.count, using: &generator)
        let size = [1, 2, 4, 8].randomElement(using: &generator)!
        let value = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &generator)! as UInt8
        for index in start..<min(payload.count, start + size) { payload[index] = value }
    }

    @Test func countsThatNothingFollows() throws {
        var recording = Recording()
        recording.scan([(1, 0, "/sbin/init")])
        recording.add(.snapshotSocket) { payload in
            payload.put(UInt8(0))
            payload.put(true)
            for _ in 0..<2 { for _ in 0..<2 { payload.put(UInt64.max) }; payload.put(UInt16.max) }
            payload.put(UInt32.max)  // holders
            payload.put(Int32(1))
        }
        #expect(try replay(recording.bytes) == 1)
    }

    /// Numbers of every kind at their largest.
    @Test func extremes() throws {
        for extreme in [UInt64.max, 1 << 63, 0] {
            var recording = Recording(layout: Connections.layout)
            recording.scan([(1, 0, "/sbin/init"), (100, 1, "/usr/bin/bash")])
            for _ in 0..<3 {
                recording.add(.cycle) { payload in
                    payload.put(extreme)
                    payload.put(extreme)
                }
                recording.fork(.max, .min, at: extreme)
                recording.exec(.min, at: extreme)
                recording.exit(.min, at: extreme)
                recording.add(.loss) { payload in
                    payload.put("a")
                    payload.put("b")
                    for _ in 0..<4 { payload.put(extreme) }
                }
            }
            recording.add(.dump) { $0.put(extreme) }
            #expect(try replay(recording.bytes) != nil)
        }
    }

    /// Two losses whose sum is more than 64 bits hold.
    @Test func lossesBeyondANumber() async {
        await #expect(processExitsWith: .success) {
            var recording = Recording(layout: Connections.layout)
            recording.cycle()
            recording.add(.tracepoint, raw: Connections.lost(.max) + Connections.lost(1))
            recording.cycle(1)
            try HostileRecordingTests().replay(recording.bytes)
        }
    }

    /// A connection that ends at the end of time.
    @Test func endOfTime() async {
        await #expect(processExitsWith: .success) {
            var recording = Recording(layout: Connections.layout)
            recording.scan([(1, 0, "/sbin/init"), (100, 1, "/usr/bin/bash")])
            recording.cycle()
            recording.add(
                .tracepoint,
                raw: Connections.transition(7, 2, pid: 100, port: 0, at: 1)
                    + Connections.transition(2, 1, pid: 100, port: 5, at: 2)
                    + Connections.transition(1, 7, pid: 100, port: 5, at: .max))
            recording.cycle(1)
            try HostileRecordingTests().replay(recording.bytes)
        }
    }
}
