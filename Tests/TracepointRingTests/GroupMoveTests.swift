import TestSupport
import Testing
import TracepointRing

/// Moves between control groups.
@Suite struct GroupMoveTests {
    private static let format = Array(
        """
        name: cgroup_attach_task
        ID: 538
        format:
        \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
        \tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
        \tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
        \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

        \tfield:int dst_root;\toffset:8;\tsize:4;\tsigned:1;
        \tfield:int dst_level;\toffset:12;\tsize:4;\tsigned:1;
        \tfield:u64 dst_id;\toffset:16;\tsize:8;\tsigned:0;
        \tfield:int pid;\toffset:24;\tsize:4;\tsigned:1;
        \tfield:__data_loc char[] dst_path;\toffset:28;\tsize:4;\tsigned:0;
        \tfield:__data_loc char[] comm;\toffset:32;\tsize:4;\tsigned:0;

        print fmt: "dst_root=%d", REC->dst_root

        """.utf8)

    /// Thread 24 of process 23 moves process 41 to /a.service of the unified hierarchy.
    private static let record = hex(
        """
        09000000 0100 5000  // perf_event_header: PERF_RECORD_SAMPLE, misc, size
        17000000 18000000  // pid, tid
        15cd5b0700000000  // time
        34000000  // size of the raw data
        1a02 00 00 18000000  // common_type, common_flags, common_preempt_count, common_pid
        00000000 01000000  // dst_root, dst_level
        6300000000000000  // dst_id
        29000000 2400 0b00  // pid, dst_path: offset and length
        2f00 0500  // comm: offset and length
        2f612e73657276696365 00  // dst_path
        7368656c00  // comm
        """)

    private func moves(_ records: [UInt8]) throws -> [GroupMove] {
        let layout = try GroupMoveLayout(TracepointFormat(Self.format))
        var moves: [GroupMove] = []
        try GroupMove.parse(records.span.bytes, layout: layout) { moves.append($0) }
        return moves
    }

    /// The length of a path lies in the event, and its name in the format stands behind brackets.
    @Test func saysWhoWasMovedWhere() throws {
        let move = try #require(try moves(Fixtures.connecting + Self.record).first)
        #expect(move.process == 41 && move.hierarchy == 0 && move.group == 99 && move.time == 123_456_789)
        #expect(move.path == Array("/a.service".utf8) && !move.isCutOff)
        #expect(try moves(Self.record + Self.record).count == 2)
    }

    /// A path that would begin or end behind the event's own bytes is nothing to read.
    @Test func whatDoesNotHoldTogetherIsThrown() {
        let place = 8 + 8 + 8 + 4 + 28
        for (offset, byte) in [(place, UInt8(0xff)), (place + 2, 0xff), (place + 3, 0x10)] {
            var record = Self.record
            record[offset] = byte
            #expect(throws: (any Error).self) { try moves(record) }
        }
        for count in 1..<Self.record.count {
            #expect(throws: (any Error).self) { try moves(Array(Self.record.prefix(count))) }
        }
    }
}
