import Testing

@testable import Daemon

/// How a writing of the store goes over several turns of the loop, and that it comes to an end.
@Suite struct StorePaceTests {
    private func turns(pending: Int, isWholeAfter turn: Int? = nil) -> [StorePace.Next] {
        var pace = StorePace()
        var answers: [StorePace.Next] = []
        repeat {
            // As many rows have changed as were written: there are always as many that wait.
            pace.begin(pending: pending)
            answers.append(pace.end(isWhole: answers.count + 1 == turn))
        } while answers.last == .soon && answers.count < 1000
        return answers
    }

    @Test func oneSliceTakesOneTurn() {
        #expect(turns(pending: 1, isWholeAfter: 1) == [.whenChanged])
        #expect(turns(pending: StorePace.slice) == [.later])
    }

    @Test func aWritingTakesTheTurnsOfWhatItBeganWithHoweverMuchChangesMeanwhile() {
        #expect(turns(pending: StorePace.slice + 1) == [.soon, .later])
        #expect(turns(pending: 3 * StorePace.slice) == [.soon, .soon, .later])
    }

    @Test func itEndsWhenNothingWaits() {
        #expect(turns(pending: 5 * StorePace.slice, isWholeAfter: 2) == [.soon, .whenChanged])
    }

    @Test func onlyGapsToWriteIsATurnToo() {
        #expect(turns(pending: 0, isWholeAfter: 1) == [.whenChanged])
    }

    @Test func afterAFailureItBeginsAnew() {
        var pace = StorePace()
        pace.begin(pending: 10 * StorePace.slice)
        #expect(pace.fail() == .later)
        pace.begin(pending: 1)
        #expect(pace.end(isWhole: false) == .later)
    }
}
