import Testing

@testable import Daemon

/// A queue is read whole, and comes to an end.
@Suite struct QueueDrainTests {
    /// A queue of events of 100 bytes that grows by `growth` events while 10 are read.
    private struct Queue {
        var waiting: Int
        var growth = 0
        var asked = 0
        var taken = 0

        mutating func read() -> Int? {
            if waiting == 0 { return nil }
            let count = min(10, waiting)
            waiting += growth - count
            taken += count
            return count
        }

        mutating func drain() {
            var progress = QueueDrain()
            while progress.goesOn, let count = read() {
                progress.took(count, total: taken * 100) {
                    asked += 1
                    return waiting
                }
            }
        }
    }

    @Test func anOrdinaryBatchIsReadUntilNothingWaitsAndIsNotAsked() {
        var queue = Queue(waiting: 999)
        queue.drain()
        #expect(queue.waiting == 0)
        #expect(queue.asked == 0)
    }

    @Test func aLongQueueIsReadWholeHoweverLong() {
        var queue = Queue(waiting: 2_000_003)
        queue.drain()
        #expect(queue.waiting == 0)
        #expect(queue.taken == 2_000_003)
        #expect(queue.asked == 1)
    }

    @Test func aQueueThatGrowsAsFastAsItIsReadComesToAnEndBehindWhatWaited() {
        var queue = Queue(waiting: 50_000, growth: 10)
        queue.drain()
        // Everything that waited at the beginning was read, and not more than waited when it was asked.
        #expect(queue.taken >= 50_000)
        #expect(queue.taken <= 50_000 + QueueDrain.unaskedBytes / 100 + 10)
        #expect(queue.asked == 1)
    }
}
