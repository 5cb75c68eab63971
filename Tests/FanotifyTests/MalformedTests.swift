import Fanotify
import TestSupport
import Testing
import Wire

@Suite struct MalformedTests {
    /// What a change to the event of an open leads to; the event before it must be delivered.
    private func failure(_ change: (inout [UInt8]) -> Void) -> WireError? {
        var bytes = Fixtures.open
        change(&bytes)
        var masks: [FanotifyMask] = []
        let all = Fixtures.overflow + bytes
        do throws(WireError) {
            try FanotifyEvent.parse(all.span.bytes) { masks.append($0.mask) }
            return nil
        } catch {
            #expect(masks == [.overflow])
            switch error {
            case .truncated(let offset): return .truncated(offset: offset - Fixtures.overflow.count)
            case .malformed(let offset): return .malformed(offset: offset - Fixtures.overflow.count)
            }
        }
    }

    @Test func lengthOfTheEvent() {
        #expect(failure { _ in } == nil)
        #expect(failure { $0[0] = 0 } == .malformed(offset: 0))
        #expect(failure { $0[0] = 23 } == .malformed(offset: 0))
        #expect(failure { $0[0] = 97 } == .truncated(offset: 0))
        #expect(failure { $0[0...3] = [0xff, 0xff, 0xff, 0xff] } == .truncated(offset: 0))
        // Shorter than its records: the last one reaches past it.
        #expect(failure { $0[0] = 95 } == .truncated(offset: 64))
        #expect(failure { $0[0] = 26 } == .truncated(offset: 24))
    }

    @Test func lengthOfTheMetadata() {
        #expect(failure { $0[6...7] = [0, 0] } == .malformed(offset: 0))
        #expect(failure { $0[6...7] = [23, 0] } == .malformed(offset: 0))
        #expect(failure { $0[6...7] = [97, 0] } == .malformed(offset: 0))
        #expect(failure { $0[6...7] = [0xff, 0xff] } == .malformed(offset: 0))
        // As long as the event: there are no records, and that is sound.
        #expect(failure { $0[6...7] = [96, 0] } == nil)
    }

    @Test func version() {
        #expect(failure { $0[4] = 2 } == .malformed(offset: 4))
        #expect(failure { $0[4] = 4 } == .malformed(offset: 4))
    }

    /// Below `/d` the name `a/b` would be another path than `b` below `/d/a`, and be written in the same way.
    @Test func aNameThatIsAPath() {
        #expect(failure { $0[57] = UInt8(ascii: "/") } == .malformed(offset: 57))
        #expect(failure { $0[56] = UInt8(ascii: "/") } == .malformed(offset: 56))
    }

    @Test func lengthOfARecord() {
        #expect(failure { $0[26...27] = [0, 0] } == .malformed(offset: 24))
        #expect(failure { $0[26...27] = [3, 0] } == .malformed(offset: 24))
        // Too short for a handle.
        #expect(failure { $0[26...27] = [4, 0] } == .truncated(offset: 28))
        #expect(failure { $0[26...27] = [19, 0] } == .truncated(offset: 28))
        #expect(failure { $0[26...27] = [73, 0] } == .truncated(offset: 24))
        #expect(failure { $0[26...27] = [0xff, 0xff] } == .truncated(offset: 24))
        // The second.
        #expect(failure { $0[66...67] = [33, 0] } == .truncated(offset: 64))
    }

    @Test func lengthOfAHandle() {
        // Of the directory: 20 bytes of room, 12 of them a handle and the rest the name.
        #expect(failure { $0[36] = 20 } == nil)
        #expect(failure { $0[36] = 21 } == .truncated(offset: 36))
        #expect(failure { $0[36...39] = [0xff, 0xff, 0xff, 0xff] } == .truncated(offset: 36))
        #expect(failure { $0[36...39] = [0xff, 0xff, 0xff, 0x7f] } == .truncated(offset: 36))
        // Of the file: nothing may follow it.
        #expect(failure { $0[76] = 13 } == .truncated(offset: 76))
    }

    @Test func nameWithoutAnEndStopsAtItsRecord() throws {
        var bytes = Fixtures.open
        bytes[56..<64] = Array("abcdefgh".utf8)[...]
        let event = try #require(try events(bytes).first)
        #expect(bytes.text(event.name) == "abcdefgh")
    }

    @Test(arguments: Fixtures.all)
    func everyTruncationIsAnError(bytes: [UInt8]) throws {
        for length in 1..<bytes.count {
            #expect(throws: WireError.self) { try events(Array(bytes.prefix(length))) }
        }
        #expect(try events(bytes).count == 1)
    }

    @Test func whatStandsBeforeATruncationIsDelivered() throws {
        let bytes = Fixtures.open + Fixtures.rename
        for length in Fixtures.open.count + 1..<bytes.count {
            var found: [FanotifyMask] = []
            #expect(throws: WireError.self) {
                try FanotifyEvent.parse(Array(bytes.prefix(length)).span.bytes) { found.append($0.mask) }
            }
            #expect(found == [.open])
        }
    }

    @Test func startOutsideIsNoTrap() {
        #expect(throws: WireError.self) { try events(Fixtures.open, from: -1) }
        #expect(throws: Never.self) { try events(Fixtures.open, from: 1000) }
    }

    @Test func hostileBytesDoNotTrap() {
        var parsed = 0
        var refused = 0
        hostileInputs(from: Fixtures.all, count: 20_000, seed: 23) { bytes in
            do throws(WireError) {
                try FanotifyEvent.parse(bytes.span.bytes) { event in
                    parsed += 1
                    // Every range lies in the buffer, whatever the lengths say.
                    let names = [event.name, event.newName]
                    for range in names + [event.directory, event.target, event.newDirectory] {
                        #expect(range.lowerBound >= 0 && range.upperBound <= bytes.count)
                    }
                }
            } catch { refused += 1 }
        }
        // Both happened often: the inputs are neither all noise nor all good.
        #expect(parsed > 1000)
        #expect(refused > 1000)
    }
}
