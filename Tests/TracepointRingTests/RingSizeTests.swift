import Glibc
import SystemCalls
import Testing

@testable import TracepointRing

@Suite struct RingSizeTests {
    @Test(arguments: [(1, 256), (2, 256), (32, 256), (33, 128), (64, 128), (65, 64), (256, 32), (4096, 32)])
    func manyProcessorsShareTheBound(processors: Int, pages: Int) {
        #expect(RingSize.pages(processors: processors, pageSize: 4096) == pages)
    }

    @Test func largePagesMakeNoLargerRings() {
        #expect(RingSize.pages(processors: 2, pageSize: 65536) == 16)
        #expect(RingSize.pages(processors: 4096, pageSize: 65536) == 2)
        #expect(RingSize.pages(processors: 4096, pageSize: 1 << 20) == 1)
    }

    /// Makes rings on a machine that lends no more than so many pages; returns the sizes that were tried.
    private func tried(granting most: Int, pageSize: Int = 4096) -> (sizes: [Int], made: Int?) {
        var sizes: [Int] = []
        let made: Int?
        do throws(TracepointError) {
            made = try RingSize.shrinking(from: 256, pageSize: pageSize) { pages throws(TracepointError) in
                sizes.append(pages)
                guard pages <= most else { throw .unmapped(SystemError("mmap", code: EPERM)) }
                return pages
            }
        } catch { made = nil }
        return (sizes, made)
    }

    @Test func whatIsRefusedIsHalvedDownToTheLeast() {
        #expect(tried(granting: 256) == ([256], 256))
        #expect(tried(granting: 100) == ([256, 128, 64], 64))
        #expect(tried(granting: 31) == ([256, 128, 64, 32], nil))
        #expect(tried(granting: 0, pageSize: 1 << 20) == ([256, 128, 64, 32, 16, 8, 4, 2, 1], nil))
    }

    @Test func onlyARefusedMappingIsTriedSmaller() {
        var count = 0
        #expect(throws: TracepointError.refused(SystemError("perf_event_open", code: EACCES))) {
            try RingSize.shrinking(from: 256) { (_) throws(TracepointError) -> Int in
                count += 1
                throw .refused(SystemError("perf_event_open", code: EACCES))
            }
        }
        #expect(count == 1)
    }

    @Test(arguments: [32, 64, 128, 256]) func thePollerWakesWhileThereIsRoom(pages: Int) {
        let watermark = Int(RingSize.watermark(pages: pages, pageSize: 4096))
        #expect(watermark > 0 && watermark <= pages * 4096 / 4)
    }
}
