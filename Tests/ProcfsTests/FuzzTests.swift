import Procfs
import TestSupport
import Testing

/// Whatever a file under /proc says, reading it comes to an end.
@Suite struct FuzzTests {
    private static let samples: [String] = [
        "29 1 259:2 / / rw,relatime shared:1 - ext4 /dev/root rw,discard\n",
        "7f0000000000-7f0000001000 rw-s 00000000 00:01 32769                      /SYSV0000002a (deleted)\n",
        "12 (a b) c) S 1 12 12 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 99 1 1 18446744073709551615\n",
        "pos:\t0\nflags:\t02100001\nmnt_id:\t29\nino:\t3\n", "0::/a/b\n1:name=systemd:/c\n",
        "       key      shmid perms size  cpid  lpid nattch\n 42 0 600 4096 1 2 3 0 0 0 0 9 9 9 0 0\n",
        "cat\0-n\0\0file\0", "TracerPid:\t0\nCpus_allowed_list:\t0-3,8\n",
        "pos:\t0\ntty-index:\t3\nPid:\t42\nfanotify sdev:800001 mflags:0 mask:3b\n",
        "Idx\tDevice\n1\tlo        :     2      V3\n\t\t\t\t030201EF     1 0:00000000\t\t0\n",
        "1    lo              ff0200000000000000000000000000fb     1 0000000C 0\n",
    ]

    @Test func mutatedTexts() {
        var random = SeededGenerator(seed: 8)
        for _ in 0..<20_000 {
            var bytes = Array(Self.samples.randomElement(using: &random)!.utf8)
            for _ in 0..<Int.random(in: 0...8, using: &random) where !bytes.isEmpty {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(contentsOf: Array("99999999999999999999 \\\n\t".utf8), at: place)
                default: bytes.removeSubrange(place...)
                }
            }
            for mount in Mount.parse(bytes) {
                _ = (mount.kind, mount.deviceNumber, mount.isReadOnlyFilesystem)
            }
            _ = MappedFile.parse(bytes)
            _ = MappedFile.parse(bytes, sharedWritable: true)
            for mapping in SharedMapping.parse(bytes) { _ = mapping.segmentKey }
            _ = ProcessStatus(parsing: bytes)
            _ = DescriptorInformation(parsing: bytes)
            _ = ProcessDirectory.controlGroup(of: bytes)
            _ = ProcessDirectory.splitArguments(bytes)
            _ = SystemVObject.segments(bytes) + SystemVObject.semaphoreSets(bytes)
            for queue in SystemVObject.messageQueues(bytes) {
                _ = queue.users.map { $0.canBe(startedAt: .min) || $0.canBe(startedAt: .max) }
            }
            _ = OctalEscapes.decode(bytes)
            for area in MemoryArea.parse(bytes) { _ = (area.isDeleted, area.range.isEmpty) }
            _ = ProcessTraits(parsing: bytes)
            _ = DescriptorTraits(parsing: bytes)
            for group in MulticastGroup.parse(igmp: bytes) + MulticastGroup.parse(igmp6: bytes) {
                _ = group.isOfAllHosts
            }
        }
    }
}
