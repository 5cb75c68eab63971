// swift-tools-version: 6.2
import PackageDescription

// Arrows point one way: kernel interfaces know nothing of records, Observation knows no
// descriptor, the command line knows no kernel. docs/architecture.md has the picture.

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// The folders of Sources, in the order in which a fact passes them; a target uses only its own and those before.
enum Folder: String {
    case ground = "Ground"
    case kernel = "Kernel"
    case records = "Records"
    case observation = "Observation"
    case host = "Host"
    case group = "Group"
    case packages = "Plan/Packages"
    case plan = "Plan"
    case move = "Move"
    case serve = "Serve"
    case fleet = "Fleet"
    case programs = "Programs"
}

func library(_ folder: Folder, _ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(
        name: name, dependencies: dependencies, path: "Sources/\(folder.rawValue)/\(name)",
        swiftSettings: strict)
}

/// Where the linker looks for libraries first, if the environment says so: the release build finds libstdc++ there in the
/// static form alone, as the shared one of older systems lacks symbols that the Swift runtime asks for.
let linkFirst: [LinkerSetting] =
    Context.environment["RETINUE_LINK_FIRST"].map { [.unsafeFlags(["-L\($0)"])] } ?? []

func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies, path: "Sources/Programs/\(name)", swiftSettings: strict,
        linkerSettings: linkFirst)
}

func test(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

/// A tiny C program that privileged tests run and count.
func workload(_ name: String) -> Target {
    .executableTarget(
        name: name, path: "Tests/Workloads/\(name)",
        cSettings: [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])])
}

/// Their names; Tests/Workloads has a folder for each.
let workloads = [
    "opener", "connector", "barrier", "enter", "holder", "tree", "flood", "sharer", "fileserver", "pages",
    "handshakes",
]

/// retinue-server: the only ones that need an HTTP library, which takes longer to build than all the rest. A build that has no
/// use for them (Tests/sanitize) leaves them out.
let server: [Target] =
    Context.environment["RETINUE_WITHOUT_SERVER"] != nil
    ? []
    : [
        library(
            .serve, "WebServer",
            [
                "SystemCalls", "Net", "Control",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        library(
            .programs, "RetinueServer",
            [
                "Map", "WebServer", "RetinueCommands", "MoveGroup", "Records", "Text", "SystemCalls",
                "Control",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        program("retinue-server", ["RetinueServer"]),
        test("WebServerTests", ["WebServer", "Net", "SystemCalls", "TestSupport"]),
        test(
            "ServerTests",
            [
                "RetinueServer", "RetinueCommands", "WebServer", "Records", "MoveGroup", "SystemCalls",
                "TestSupport", "retinue-server", "retinue",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
    ]

let package = Package(
    name: "retinue",
    products: [
        .executable(name: "retinued", targets: ["retinued"]),
        .executable(name: "retinue", targets: ["retinue"]),
        .executable(name: "retinue-agent", targets: ["retinue-agent"]),
        .executable(name: "retinue-fleet", targets: ["retinue-fleet"]),
        .library(name: "Fanotify", targets: ["Fanotify"]),
        .library(name: "ProcConnector", targets: ["ProcConnector"]),
        .library(name: "SocketDiagnostics", targets: ["SocketDiagnostics"]),
        .library(name: "TracepointRing", targets: ["TracepointRing"]),
        .library(name: "Procfs", targets: ["Procfs"]),
        .library(name: "Records", targets: ["Records"]),
        .library(name: "MoveGroup", targets: ["MoveGroup"]),
        .library(name: "MovePlan", targets: ["MovePlan"]),
        .library(name: "RPMPackages", targets: ["RPMPackages"]),
        .library(name: "LanguagePackages", targets: ["LanguagePackages"]),
        // For Tests/Fuzz, a package of its own.
        .library(name: "Observation", targets: ["Observation"]),
        .library(name: "EventTrace", targets: ["EventTrace"]),
        .library(name: "RecordStore", targets: ["RecordStore"]),
        .library(name: "Control", targets: ["Control"]),
        .library(name: "Daemon", targets: ["Daemon"]),
        .library(name: "SunRPC", targets: ["SunRPC"]),
        .library(name: "Map", targets: ["Map"]),
        .library(name: "MoveAgent", targets: ["MoveAgent"]),
        .library(name: "SharedPages", targets: ["SharedPages"]),
    ] + (server.isEmpty ? [] : [.executable(name: "retinue-server", targets: ["retinue-server"])]),
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
        // Of retinue-server alone; without what reads its settings from files and the environment.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.34.1"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.14.0"),
    ],
    targets: [
        // C at the edge.
        .target(name: "CLinux", path: "CModules/CLinux"),
        .systemLibrary(
            name: "CMnl", path: "CModules/CMnl", pkgConfig: "libmnl", providers: [.apt(["libmnl-dev"])]),
        .systemLibrary(
            name: "CNl", path: "CModules/CNl", pkgConfig: "libnl-3.0", providers: [.apt(["libnl-3-dev"])]),
        .systemLibrary(
            name: "CSQLite", path: "CModules/CSQLite", pkgConfig: "sqlite3",
            providers: [.apt(["libsqlite3-dev"])]),

        .systemLibrary(
            name: "COpenSSL", path: "CModules/COpenSSL", pkgConfig: "openssl",
            providers: [.apt(["libssl-dev"])]),

        .systemLibrary(
            name: "CPq", path: "CModules/CPq", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),

        // Ground that every kernel interface stands on.
        library(.ground, "SystemCalls", ["CLinux"]),
        library(.ground, "Wire"),
        library(.ground, "Text"),
        library(.ground, "Net", ["Text"]),

        // One target a kernel interface.
        library(.kernel, "Fanotify", ["SystemCalls", "Wire", "CLinux"]),
        library(.kernel, "ProcConnector", ["SystemCalls", "Wire", "CLinux", "CMnl"]),
        library(.kernel, "SocketDiagnostics", ["SystemCalls", "Wire", "Net", "CLinux", "CMnl", "CNl"]),
        library(.kernel, "TracepointRing", ["SystemCalls", "Wire", "Net", "CLinux"]),
        library(.kernel, "Procfs", ["SystemCalls", "CLinux"]),
        library(
            .kernel, "KernelProbe",
            [
                "SystemCalls", "CLinux", "Fanotify", "ProcConnector", "SocketDiagnostics", "TracepointRing",
                "Procfs",
            ]),

        // Ideas: pure, no descriptor.
        library(.records, "Records", ["Text", "Net"]),
        library(.observation, "Observation", ["Records", "Text"]),
        library(.observation, "EventTrace", ["Wire"]),
        library(.group, "MoveGroup", ["Records"]),
        library(.group, "SeedForm", ["Records"]),

        // Edges.
        library(.records, "RecordStore", ["Records", "CSQLite"]),
        library(.records, "ProcessReading", ["SystemCalls", "Procfs", "Records"]),
        library(.packages, "PackageFiles", ["SystemCalls", "Procfs"]),
        library(.packages, "DebianPackages", ["PackageFiles", "SystemCalls"]),
        library(.packages, "RPMPackages", ["PackageFiles", "RecordStore", "SystemCalls", "Wire"]),
        library(.packages, "HostPackages", ["PackageFiles", "DebianPackages", "RPMPackages"]),
        library(.packages, "LanguagePackages", ["PackageFiles", "Records", "SystemCalls", "Text"]),
        library(
            .plan, "MovePlan",
            [
                "SystemCalls", "CLinux", "Procfs", "Text", "Records", "ProcessReading", "MoveGroup",
                "PackageFiles", "HostPackages", "LanguagePackages",
            ]),
        library(.plan, "Placement", ["Records"]),
        library(.host, "Control", ["SystemCalls", "CLinux"]),
        library(
            .host, "Daemon",
            [
                "SystemCalls", "Wire", "Fanotify", "ProcConnector", "SocketDiagnostics", "TracepointRing",
                "Procfs", "KernelProbe", "Records", "ProcessReading", "Observation", "EventTrace",
                "RecordStore",
                "Control", "CLinux",
            ]),
        library(.move, "Transfer", ["SystemCalls", "Text", "CLinux", "COpenSSL"]),
        library(.move, "Transport", ["SystemCalls", "Transfer", "CLinux", "COpenSSL"]),
        library(.move, "SunRPC", ["SystemCalls", "CLinux"]),
        library(.move, "SharedPages"),
        library(.move, "PageFaults", ["SystemCalls", "Procfs", "SharedPages", "CLinux"]),
        library(.move, "Placeholders", ["SystemCalls", "Text", "Transfer", "CLinux"]),
        library(
            .move, "MoveAgent",
            [
                "SystemCalls", "Text", "Records", "Procfs", "SocketDiagnostics", "MovePlan", "Transfer",
                "Transport", "SunRPC",
                "Placeholders", "SharedPages", "PageFaults",
                "CLinux",
            ]),
        program("retinue-agent", ["MoveAgent", "SystemCalls"]),
        program("retinued", ["Daemon", "Observation", "SeedForm"]),
        library(
            .programs, "RetinueCommands",
            [
                "Text", "Records", "RecordStore", "MoveGroup", "SeedForm", "PackageFiles", "HostPackages",
                "MovePlan", "Placement",
                "KernelProbe",
                "Control",
                "SystemCalls", "CLinux",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Yams", package: "Yams"),
            ]),
        program("retinue", ["RetinueCommands"]),
        library(.serve, "Map", ["MoveGroup", "Records", "Text", "Net"]),
        library(.fleet, "PostgreSQL", ["CPq"]),
        library(
            .fleet, "FleetStore",
            ["PostgreSQL", "Records", "MoveGroup", "PackageFiles", "SystemCalls"]),
        library(
            .programs, "RetinueFleet",
            [
                "FleetStore", "PostgreSQL", "RetinueCommands", "MoveGroup", "Records", "RecordStore",
                "Control",
                "SystemCalls",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        program("retinue-fleet", ["RetinueFleet"]),

        // Tests: a folder a target; those that need root and the real kernel apart.
        .target(
            name: "TestSupport", dependencies: ["Records", "SystemCalls", "CLinux"], path: "Tests/Support",
            swiftSettings: strict),
        test("SystemCallsTests", ["SystemCalls", "CLinux"]),
        test("WireTests", ["Wire"]),
        test("TextTests", ["Text", "Records", "TestSupport"]),
        test("NetTests", ["Net", "TestSupport"]),
        test("FanotifyTests", ["Fanotify", "TestSupport"]),
        test("ProcConnectorTests", ["ProcConnector", "TestSupport"]),
        test("SocketDiagnosticsTests", ["SocketDiagnostics", "TestSupport", "SystemCalls"]),
        test("TracepointRingTests", ["TracepointRing", "TestSupport", "SystemCalls"]),
        test("ProcfsTests", ["Procfs", "TestSupport", "SystemCalls", "CLinux"]),
        test("RecordsTests", ["Records", "TestSupport"]),
        test("ProcessReadingTests", ["ProcessReading", "Procfs", "Records", "TestSupport"]),
        test("PlacementTests", ["Placement", "Records", "TestSupport"]),
        test("MovePlanTests", ["MovePlan", "Procfs", "Records", "TestSupport"]),
        test("RecordStoreTests", ["RecordStore", "Records", "TestSupport"]),
        test("EventTraceTests", ["EventTrace", "Wire", "TestSupport"]),
        test("ObservationTests", ["Observation", "Records", "TestSupport"]),
        .testTarget(
            name: "MoveGroupTests", dependencies: ["MoveGroup", "Records", "TestSupport"],
            // Read where they lie.
            exclude: ["Output/Golden"], swiftSettings: strict),
        test("SeedFormTests", ["SeedForm", "Records", "TestSupport"]),
        test("PackageFilesTests", ["PackageFiles", "TestSupport"]),
        test("DebianPackagesTests", ["DebianPackages", "PackageFiles", "Procfs", "TestSupport"]),
        test("RPMPackagesTests", ["RPMPackages", "PackageFiles", "TestSupport"]),
        test("LanguagePackagesTests", ["LanguagePackages", "PackageFiles", "TestSupport"]),
        test("ControlTests", ["Control", "TestSupport"]),
        test(
            "MoveAgentTests",
            [
                "MoveAgent", "Placeholders", "Transfer", "Transport", "Records", "SocketDiagnostics",
                "SystemCalls", "CLinux",
                "TestSupport",
            ]),
        test("SunRPCTests", ["SunRPC"]),
        test("SharedPagesTests", ["SharedPages", "TestSupport"]),
        test(
            "PageFaultsTests",
            [
                "PageFaults", "SharedPages", "Procfs", "SystemCalls", "CLinux", "TestSupport", "pages",
                "sharer",
            ]),
        test("PlaceholdersTests", ["Placeholders", "Transfer", "SystemCalls", "CLinux", "TestSupport"]),
        test("TransferTests", ["Transfer", "Transport", "SystemCalls", "CLinux", "TestSupport"]),
        test(
            "CommandTests",
            [
                "RetinueCommands", "Records", "RecordStore", "MoveGroup", "MovePlan", "Placement",
                "KernelProbe", "Control",
                "SystemCalls", "TestSupport", "retinue",
            ]),
        test("MapTests", ["Map", "MoveGroup", "Records", "Net", "TestSupport"]),
        test(
            "FleetTests",
            [
                "RetinueFleet", "FleetStore", "PostgreSQL", "RetinueCommands", "MoveGroup", "Records",
                "SystemCalls", "TestSupport", "retinue-fleet", "retinued",
            ]),
        test(
            "DaemonTests",
            [
                "Daemon", "Observation", "Records", "EventTrace", "TestSupport", "Procfs", "SystemCalls",
                "KernelProbe", "Fanotify", "ProcConnector", "SocketDiagnostics", "TracepointRing", "Control",
                "RecordStore",
            ]),
        test(
            "KernelTests",
            ["Records", "TestSupport", "SystemCalls", "CLinux", "Daemon", "Fanotify", "retinued", "retinue"]
                + workloads.map { .byName(name: $0) }),
    ] + workloads.map(workload) + server
)

// Only these tests, where what the others need is not to be built (Tests/sanitize).
if let names = Context.environment["RETINUE_TESTS"]?.split(separator: " ").map(String.init) {
    package.targets.removeAll { $0.type == .test && !names.contains($0.name) }
}
