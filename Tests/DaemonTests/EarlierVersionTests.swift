import Daemon
import Foundation
import Records
import TestSupport
import Testing

/// A recording that version 0.1.0 made: its answers have paths, and no handles of the directories above.
@Suite struct EarlierRecordingTests {
    @Test func isReplayedToTheSameRecords() throws {
        func wanted(_ ledger: borrowing Ledger) -> [String] {
            lines(ledger).filter { $0.contains(" file ") || $0.contains(" spawn ") }.sorted()
        }
        var replay = try Replay(bytes(ofFile: Fixtures.version1("recording.trace")))
        #expect(replay.run() == nil)
        let dump = try DumpContents(ndjson: bytes(ofFile: Fixtures.version1("dump.ndjson")))
        let found = wanted(replay.ledger)
        #expect(found.count == 129)
        #expect(found == wanted(dump.ledger))
    }
}
