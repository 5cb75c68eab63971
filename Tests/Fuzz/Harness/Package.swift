// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that no other build is instrumented. `run` above it builds and starts it.

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

func product(_ name: String) -> Target.Dependency { .product(name: name, package: "retinue") }

let package = Package(
    name: "fuzz",
    dependencies: [.package(name: "retinue", path: "../../..")],
    targets: [
        .executableTarget(
            name: "fuzz",
            dependencies: [
                product("Fanotify"), product("ProcConnector"), product("SocketDiagnostics"),
                product("TracepointRing"), product("Procfs"), product("Records"), product("MoveGroup"),
                product("Observation"), product("EventTrace"), product("RecordStore"), product("Control"),
                product("Daemon"), product("MovePlan"), product("RPMPackages"), product("LanguagePackages"),
                product("SunRPC"), product("Map"), product("MoveAgent"), product("SharedPages"),
            ],
            path: "Sources/Fuzz", swiftSettings: strict)
    ]
)
