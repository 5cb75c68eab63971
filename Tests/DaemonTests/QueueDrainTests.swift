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

        mutating func drain(most: Int? = nil) -> Int {
            var progress = QueueDrain(most: most)
            while progress.goesOn, let count = read() {
                progress.took(count, total: taken * 100) {
                    asked += 1
                    return waiting
                }
            }
            return progress.surplus
        }
    }

    @Test func anOrdinaryBatchIsReadUntilNothingWaitsAndIsNotAsked() {
        var queue = Queue(waiting: 999)
        #expect(queue.drain() == 0)
        #expect(queue.waiting == 0)
        #expect(queue.asked == 0)
    }

    @Test func aLongQueueIsReadWholeHoweverLong() {
        var queue = Queue(waiting: 2_000_003)
        #expect(queue.drain() == 0)
        #expect(queue.waiting == 0)
        #expect(queue.taken == 2_000_003)
        #expect(queue.asked == 1)
    }

    @Test func aQueueThatGrowsAsFastAsItIsReadComesToAnEndBehindWhatWaited() {
        var queue = Queue(waiting: 50_000, growth: 10)
        #expect(queue.drain() == 0)
        // Everything that waited at the beginning was read, and not more than waited when it was asked.
        #expect(queue.taken >= 50_000)
        #expect(queue.taken <= 50_000 + QueueDrain.unaskedBytes / 100 + 10)
        #expect(queue.asked == 1)
    }

    @Test(arguments: [(50_000, 0), (50_000, 10), (20_001, 0), (20_000, 0)])
    func ofAQueueWithABoundWhatIsBeyondItIsDropped(waiting: Int, growth: Int) {
        var queue = Queue(waiting: waiting, growth: growth)
        let surplus = queue.drain(most: 20_000)
        #expect(queue.asked == 1)
        // What came while it was read, until it was asked, waited as well.
        let all = waiting + (growth == 0 ? 0 : QueueDrain.unaskedBytes / 100 + 10)
        #expect(queue.taken >= 20_000 && queue.taken < 20_010)
        #expect(surplus >= waiting - 20_000 && surplus <= all - 20_000)
        #expect(growth > 0 || queue.waiting == surplus)
    }

    @Test func aBoundBelowWhatIsReadUnasked() {
        var queue = Queue(waiting: 50_000)
        let surplus = queue.drain(most: 100)
        #expect(queue.taken <= QueueDrain.unaskedBytes / 100 + 10)
        #expect(queue.taken + surplus == 50_000)
    }
}
