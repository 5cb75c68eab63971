import Records
import Testing

@testable import SeedForm

@Suite("The rules of the list")
struct DependencyListTests {
    private static let time: UInt64 = 1_795_226_400_000_000_000

    /// One machine, 10.0.0.1.
    private func rows(_ text: String, namesUnknown: Bool = false) throws -> [String] {
        try build([RecordFile("10.0.0.1", text)], namesUnknown: namesUnknown).rows.map {
            $0.replacing("10.0.0.1,", with: "")
        }
    }

    @Test func opensBelongToThePathOfTheLastExec() throws {
        let text = """
            exec,5,/bin/a
            open,5,/1,r
            exec,5,/bin/b
            open,5,/2,rw
            open,5,/2,r
            open,5,/1,r

            """
        #expect(try rows(text) == ["/bin/a,/1", "/bin/b,/2", "/bin/b,/1"])
    }

    @Test func aChildRunsItsParentsProgramUntilItsExec() throws {
        let text = """
            exec,5,/bin/sh
            fork,5,6
            open,6,/1,r
            exec,6,/bin/ls
            open,6,/2,r
            open,5,/3,r

            """
        #expect(try rows(text) == ["/bin/sh,/1", "/bin/sh,/bin/ls", "/bin/ls,/2", "/bin/sh,/3"])
    }

    @Test func aChildThatNeverExecsHasNoRow() throws {
        #expect(try rows("exec,5,/bin/a\nfork,5,6\nfork,6,7\nopen,7,/1,r\n") == ["/bin/a,/1"])
    }

    /// What the parent was when it forked counts, not what it is later.
    @Test func theParentIsThatOfTheFork() throws {
        let text = "exec,1,/a\nfork,1,2\nexec,1,/b\nexec,2,/c\n"
        #expect(try rows(text) == ["/a,/c"])
    }

    @Test func anExecInPlaceLeadsFromProgramToProgram() throws {
        #expect(try rows("exec,1,/sh\nfork,1,2\nexec,2,/env\nexec,2,/prog\n") == ["/sh,/env", "/env,/prog"])
        // Without a fork in the records the second exec may be that of another process.
        #expect(try rows("exec,2,/env\nexec,2,/prog\n") == [])
    }

    @Test func aProgramThatStartsItselfHasARow() throws {
        #expect(try rows("exec,1,/sh\nfork,1,2\nexec,2,/sh\n") == ["/sh,/sh"])
    }

    @Test func aPidThatIsUsedAgainIsAnotherProcess() throws {
        let text = """
            exec,1,/sh
            fork,1,9
            exec,9,/a
            open,9,/1,r
            fork,1,9
            open,9,/2,r
            exec,9,/b
            open,9,/3,r

            """
        #expect(try rows(text) == ["/sh,/a", "/a,/1", "/sh,/2", "/sh,/b", "/b,/3"])
    }

    @Test func unknownProgramsAreCountedAndLeftOut() throws {
        let text = """
            open,7,/1,r
            fork,7,8
            open,8,/2,r
            exec,8,/a
            open,8,/3,r
            accept,10.0.0.1,80,7,10.0.0.9,1
            connect,10.0.0.1,2,7,10.0.0.9,80

            """
        let built = try build([RecordFile("10.0.0.1", text)])
        #expect(built.rows == ["10.0.0.1,/a,10.0.0.1,/3"])
        #expect(built.recordRows.count == 1)
        #expect(built.statistics.unknown.opens == 2)
        #expect(built.statistics.unknown.spawns == 1)
        #expect(built.statistics.unknown.accepts == 1)
        #expect(built.statistics.unknown.connects == 1)
        #expect(built.statistics.unpaired.total == 2)

        let named = try build([RecordFile("10.0.0.1", text)], namesUnknown: true)
        #expect(
            named.rows.map { $0.replacing("10.0.0.1,", with: "") } == [
                "pid:7,/1", "pid:7,/2", "pid:7,/a", "/a,/3",
            ])
        #expect(named.statistics.unknown == built.statistics.unknown)
        #expect(
            named.recordRows.suffix(2).map { $0.contains("pid:7,accept,,10.0.0.9,tcp:80,1") } == [
                true, false,
            ])
        #expect(named.recordRows.last?.contains("pid:7,connect,,10.0.0.9,tcp:80,1") == true)
    }

    @Test func aPairWithAnUnknownEndIsCounted() throws {
        let files = [
            RecordFile("10.0.0.1", "exec,1,/a\nconnect,10.0.0.1,5,1,10.0.0.2,80\n"),
            RecordFile("10.0.0.2", "accept,10.0.0.2,80,1,10.0.0.1,5\n"),
        ]
        let built = try build(files)
        #expect(built.rows.isEmpty)
        #expect(built.statistics.pairs == 1)
        #expect(built.statistics.pairsLeftOut == 1)
        #expect(built.statistics.unpaired.total == 0)
        #expect(try build(files, namesUnknown: true).rows == ["10.0.0.1,/a,10.0.0.2,pid:1"])
    }

    /// The row leads from the program that connects, whichever file comes first.
    @Test func acceptAndConnectArePairedByTheFourTuple() throws {
        let web = RecordFile(nil, "exec,1,/web\nconnect,10.0.0.1,4000,1,10.0.0.2,5432\n")
        let database = RecordFile(nil, "exec,1,/db\naccept,10.0.0.2,5432,1,10.0.0.1,4000\n")
        for files in [[web, database], [database, web]] {
            let built = try build(files)
            #expect(built.rows == ["10.0.0.1,/web,10.0.0.2,/db"])
            #expect(built.statistics.unpaired.total == 0)
        }
        for other in [
            "accept,10.0.0.2,5432,1,10.0.0.1,4001", "accept,10.0.0.2,5433,1,10.0.0.1,4000",
            "accept,10.0.0.2,5432,1,10.0.0.3,4000", "accept,10.0.0.1,4000,1,10.0.0.2,5432",
        ] {
            let built = try build([web, RecordFile("10.0.0.2", "exec,1,/db\n\(other)\n")])
            #expect(built.rows.isEmpty)
            #expect(built.statistics.unpaired.accepts == 1)
            #expect(built.statistics.unpaired.connects == 1)
        }
    }

    @Test func mappedAddressesAreTheSame() throws {
        let web = RecordFile(nil, "exec,1,/web\nconnect,::ffff:10.0.0.1,4000,1,::FFFF:10.0.0.2,5432\n")
        let database = RecordFile(nil, "exec,1,/db\naccept,10.0.0.2,5432,1,10.0.0.1,4000\n")
        #expect(try build([web, database]).rows == ["10.0.0.1,/web,10.0.0.2,/db"])
    }

    @Test func aTupleUsedAgainIsPairedInOrder() throws {
        let web =
            "exec,1,/a\nconnect,10.0.0.1,9,1,10.0.0.2,80\nexec,1,/b\nconnect,10.0.0.1,9,1,10.0.0.2,80\n"
            + "exec,1,/c\nconnect,10.0.0.1,9,1,10.0.0.2,80\n"
        let server =
            "exec,1,/x\naccept,10.0.0.2,80,1,10.0.0.1,9\nexec,1,/y\naccept,10.0.0.2,80,1,10.0.0.1,9\n"
        for files in [[web, server], [server, web]] {
            let built = try build(files.map { RecordFile(nil, $0) })
            #expect(built.rows == ["10.0.0.1,/a,10.0.0.2,/x", "10.0.0.1,/b,10.0.0.2,/y"])
            #expect(built.statistics.unpaired.connects == 1)
            #expect(built.recordRows.last == "10.0.0.1,/c,connect,,10.0.0.2,tcp:80,1,,")
        }
    }

    @Test(arguments: ["127.0.0.1", "127.9.9.9", "::1"])
    func loopbackIsPairedWithinAMachineOnly(address: String) throws {
        let connect = "exec,1,/web\nconnect,\(address),4000,1,\(address),5432\n"
        let accept = "exec,2,/db\naccept,\(address),5432,2,\(address),4000\n"
        let apart = try build([RecordFile("10.0.0.1", connect), RecordFile("10.0.0.2", accept)])
        #expect(apart.rows.isEmpty)
        #expect(apart.statistics.unpaired.total == 2)
        let together = try build([RecordFile("10.0.0.1", connect + accept)])
        #expect(together.rows == ["10.0.0.1,/web,10.0.0.1,/db"])
    }

    @Test func rowsStandOnceInTheOrderOfFirstAppearance() throws {
        let text =
            "exec,1,/a\nopen,1,/2,r\nopen,1,/1,r\nopen,1,/2,rw\nfork,1,2\nexec,2,/1\nfork,1,3\nexec,3,/3\n"
        #expect(try rows(text) == ["/a,/2", "/a,/1", "/a,/3"])
        // The relation distinguishes rows of nine columns.
        let records = try build([RecordFile("10.0.0.1", text)]).recordRows
        #expect(
            records.map { $0.replacing("10.0.0.1,", with: "") } == [
                "/a,file,rw,/2,2,,", "/a,file,r,/1,1,,", "/a,spawn,,/1,1,,", "/a,spawn,,/3,1,,",
            ])
    }

    @Test func timesAreThoseOfTheRecords() throws {
        let time = Self.time
        let web = """
            exec,1,/web
            open,1,/a,r,\(time + 2_000_000)
            open,1,/a,r
            open,1,/a,r,\(time)
            connect,10.0.0.1,9,1,10.0.0.2,80,\(time + 1_000_000_000)

            """
        let server = "exec,1,/x\naccept,10.0.0.2,80,1,10.0.0.1,9,\(time + 1_001_000_000)\n"
        #expect(
            try build([RecordFile(nil, web), RecordFile(nil, server)]).recordRows == [
                "10.0.0.1,/web,file,r,10.0.0.1,/a,3,2026-11-21T02:00:00.000Z,2026-11-21T02:00:00.002Z",
                "10.0.0.1,/web,connect,,10.0.0.2,/x,1,2026-11-21T02:00:01.000Z,2026-11-21T02:00:01.001Z",
            ])
    }

    @Test func theMachineIsNamedByItsOwnSide() throws {
        let local = "accept,127.0.0.1,1,1,127.0.0.1,2\nconnect,0.0.0.0,1,1,10.0.0.9,2\n"
        #expect(throws: SeedError.noAddress) { try build([RecordFile(nil, local)]) }
        #expect(throws: SeedError.noAddress) { try build([RecordFile(nil, "")]) }
        let own = local + "connect,10.0.0.1,1,1,10.0.0.9,2\naccept,10.0.0.1,1,1,10.0.0.9,2\n"
        #expect(try build([RecordFile(nil, own)]).summaries.map(\.machine) == [NetworkAddress("10.0.0.1")])
        let other = NetworkAddress("10.0.0.3")!
        let error = SeedError.severalAddresses(line: 5, NetworkAddress("10.0.0.1")!, other)
        let several = own + "accept,10.0.0.3,1,1,10.0.0.9,2\n"
        #expect(throws: error) { try build([RecordFile(nil, several)]) }
        #expect(throws: error) { try build([RecordFile(nil, several)], skipsBadLines: true) }
        #expect(try build([RecordFile("10.0.0.1", several)]).summaries.count == 1)
    }

    @Test func filesOfOneMachineStandTogether() throws {
        let (first, second) = ("exec,1,/a\nfork,1,2\n", "exec,2,/b\nopen,1,/1,r\n")
        let built = try build([RecordFile("10.0.0.1", first), RecordFile("10.0.0.1", second)])
        #expect(built.rows == ["10.0.0.1,/a,10.0.0.1,/b", "10.0.0.1,/a,10.0.0.1,/1"])
        // Pids of one machine say nothing of another's.
        let apart = try build([RecordFile("10.0.0.1", first), RecordFile("10.0.0.2", second)])
        #expect(apart.rows.isEmpty)

        let again = SeedError.machineAgain(NetworkAddress("10.0.0.1")!)
        let (one, two) = (RecordFile("10.0.0.1", first), RecordFile("10.0.0.2", second))
        let derived = RecordFile(nil, "connect,10.0.0.1,1,1,10.0.0.9,2\n")
        #expect(throws: again) { try build([one, two, one]) }
        #expect(throws: again) { try build([one, derived]) }
        #expect(throws: again) { try build([derived, one]) }
        #expect(throws: again) { try build([derived, derived]) }
    }

    @Test func badLinesAreLeftOutOnlyIfAsked() throws {
        let text = "exec,1,/a\nnonsense\nopen,1,/1,r\nopen,1,\"/2\nopen,1,/3,r\nopen,1,/4,r"
        let file = RecordFile("10.0.0.1", text)
        let bad = BadLine(line: 2, fault: .unknownCall, isCutOff: false)
        #expect(throws: SeedError.badLine(bad)) { try build([file]) }
        let built = try build([file, RecordFile("10.0.0.2", "fork,1,2\n")], skipsBadLines: true)
        // An open quote costs its line and not the rest of the file.
        #expect(built.rows.map { $0.suffix(2) } == ["/1", "/3", "/4"])
        #expect(built.summaries[0].badLines == 2)
        #expect(built.summaries[0].firstBadLine == bad)
        #expect(built.summaries[0].endsWithoutNewline)
        #expect(built.summaries[1].badLines == 0)
        #expect(built.summaries[1].firstBadLine == nil)
        #expect(!built.summaries[1].endsWithoutNewline)
        #expect(built.statistics.records == 5)
    }

    @Test func aLongLineIsLeftOutInWhateverPiecesItComes() throws {
        let long = String(repeating: "x", count: 200_000)
        let file = RecordFile(
            "10.0.0.1", "exec,1,/a\n\(long)\nopen,1,/1,r\nexec,\"\(long)\"\nbad\nopen,1,/2,r\n")
        for piece in [1000, 65_536, 65_537, 100_000, .max] {
            let built = try build([file], skipsBadLines: true, piece: piece)
            #expect(built.rows.map { $0.suffix(2) } == ["/1", "/2"])
            #expect(built.summaries[0].badLines == 3)
            #expect(built.summaries[0].firstBadLine?.line == 2)
        }
    }

    @Test func fieldsAreQuotedWhereTheyMustBe() throws {
        let record = SeedRecord(.open(pid: 1, path: Array("/a,\"b\"\n".utf8) + [0xff], access: .read))
        let built = try build([RecordFile("fd00::1", Array("exec,1,/a\n".utf8) + [record].csv)])
        #expect(built.list == Array("fd00::1,/a,fd00::1,\"/a,\"\"b\"\"\n".utf8) + [0xff] + Array("\"\n".utf8))
    }
}
