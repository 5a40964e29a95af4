/* An emulated libnvidia-ml.so.1 for tests: the calls that FleetOps makes, with values from a file.

   It is no NVIDIA code and opens no device. nvidia-ml-py binds it as it binds the real library, so
   names, argument types and versions of structures are those of nvml.h. STATE is the path of the
   file, which is read at every call; its lines have four words, * standing for any:

       count * * 8             devices
       init  * * 9             nvmlInit fails so
       inithang * * 1          nvmlInit does not return
       hang  2 * 1             calls for device 2 do not return
       crash 2 * 1             calls for device 2 end the process
       slow  2 82 300          field 82 of device 2 (or the call of that name) takes 300 ms
       lost  3 * 15            device 3 has no handle, for this reason
       error 0 82 3            field 82 of device 0 (or the call of that name) fails so
       value 0 82 71           field 82 of device 0 (or the call of that name) has this value

   -DOLD_DRIVER leaves out the calls that came with drivers 510 to 570. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, VERSION_MISMATCH = 25 };
enum { UNSIGNED_INT = 1, UNSIGNED_LONG_LONG = 3 };

typedef struct { int index; } device_t;
static device_t devices[64];

static int matches(const char *said, const char *wanted) {
    return strcmp(said, "*") == 0 || strcmp(said, wanted) == 0;
}

static int find(const char *key, int index, const char *name, long long *value) {
    FILE *file = fopen(STATE, "r");
    char said[4][64], number[16];
    int found = 0;
    snprintf(number, sizeof number, "%d", index);
    while (file && fscanf(file, "%63s %63s %63s %63s", said[0], said[1], said[2], said[3]) == 4)
        if (strcmp(said[0], key) == 0 && matches(said[1], number) && matches(said[2], name)) {
            *value = strtoll(said[3], NULL, 10);
            found = 1;
        }
    if (file) fclose(file);
    return found;
}

static int entered(device_t *device, const char *name) {
    long long code;
    if (find("slow", device->index, name, &code)) usleep((useconds_t)code * 1000);
    if (find("hang", device->index, name, &code)) for (;;) pause();
    if (find("crash", device->index, name, &code)) abort();
    return find("error", device->index, name, &code) ? (int)code : SUCCESS;
}

static long long value_of(device_t *device, const char *name, long long usual) {
    long long value;
    return find("value", device->index, name, &value) ? value : usual;
}

static int text(device_t *device, const char *name, const char *form, char *out, unsigned length) {
    int code = entered(device, name);
    if (!code) snprintf(out, length, form, (int)value_of(device, name, device->index));
    return code;
}

static int whole(device_t *device, const char *name, unsigned *out, unsigned usual) {
    int code = entered(device, name);
    if (!code) *out = (unsigned)value_of(device, name, usual);
    return code;
}

int nvmlInitWithFlags(unsigned flags) {
    long long code;
    (void)flags;
    printf("libraries may print what they like\n"), fflush(stdout);
    if (find("inithang", -1, "", &code)) for (;;) pause();
    return find("init", -1, "", &code) ? (int)code : SUCCESS;
}

const char *nvmlErrorString(int code) { (void)code; return "emulated"; }

int nvmlSystemGetDriverVersion(char *out, unsigned length) {
    snprintf(out, length, "580.95.05");
    return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned *out) {
    long long count;
    *out = find("count", -1, "", &count) ? (unsigned)count : 8;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, device_t **out) {
    long long code;
    if (index >= 64) return INVALID_ARGUMENT;
    if (find("lost", (int)index, "", &code)) return (int)code;
    devices[index].index = (int)index;
    *out = &devices[index];
    return SUCCESS;
}

#define TEXT(call, form) \
    int call(device_t *d, char *out, unsigned length) { return text(d, #call, form, out, length); }
TEXT(nvmlDeviceGetUUID, "GPU-0000000%d")
TEXT(nvmlDeviceGetSerial, "165000000000%d")
TEXT(nvmlDeviceGetName, "Emulated H100 %d")
TEXT(nvmlDeviceGetBoardPartNumber, "900-2G520-000%d-000")
TEXT(nvmlDeviceGetVbiosVersion, "96.00.74.00.0%d")

typedef struct {
    char legacy[16];
    unsigned domain, bus, device, pci_device, pci_subsystem;
    char bus_id[32];
} pci_t;

int nvmlDeviceGetPciInfo_v3(device_t *d, pci_t *out) {
    int code = entered(d, "nvmlDeviceGetPciInfo");
    memset(out, 0, sizeof *out);
    snprintf(out->bus_id, sizeof out->bus_id, "00000000:%d1:00.0", d->index);
    return code;
}

#define WHOLE(call, usual) \
    int call(device_t *d, unsigned *out) { return whole(d, #call, out, usual); }
WHOLE(nvmlDeviceGetPowerUsage, 512250)
WHOLE(nvmlDeviceGetPowerManagementLimit, 700000)
WHOLE(nvmlDeviceGetCurrPcieLinkGeneration, 5)
WHOLE(nvmlDeviceGetCurrPcieLinkWidth, 16)

int nvmlDeviceGetTemperature(device_t *d, int sensor, unsigned *out) {
    return sensor ? INVALID_ARGUMENT : whole(d, "nvmlDeviceGetTemperature", out, 61);
}

int nvmlDeviceGetClockInfo(device_t *d, int type, unsigned *out) {
    return whole(d, type == 1 ? "sm" : "memory", out, type == 1 ? 1980 : 2619);
}

int nvmlDeviceGetUtilizationRates(device_t *d, unsigned out[2]) {
    int code = whole(d, "nvmlDeviceGetUtilizationRates", &out[0], 97);
    out[1] = 41;
    return code;
}

#define SAMPLED(call) \
    int call(device_t *d, unsigned *out, unsigned *period) { \
        *period = 100000; \
        return whole(d, #call, out, 0); \
    }
SAMPLED(nvmlDeviceGetEncoderUtilization)
SAMPLED(nvmlDeviceGetDecoderUtilization)

int nvmlDeviceGetPcieThroughput(device_t *d, int counter, unsigned *out) {
    return whole(d, "nvmlDeviceGetPcieThroughput", out, counter == 0 ? 1200 : 3400);
}

int nvmlDeviceGetNvLinkState(device_t *d, unsigned link, unsigned *out) {
    if (link >= 18) return INVALID_ARGUMENT;
    return whole(d, "nvmlDeviceGetNvLinkState", out, link != 17);
}

typedef struct { unsigned long long total, free, used; } memory_t;

int nvmlDeviceGetMemoryInfo(device_t *d, memory_t *out) {
    out->total = 85520809984ULL, out->used = 4294967296ULL, out->free = out->total - out->used;
    return entered(d, "nvmlDeviceGetMemoryInfo");
}

int nvmlDeviceGetCurrentClocksThrottleReasons(device_t *d, unsigned long long *out) {
    *out = (unsigned long long)value_of(d, "nvmlDeviceGetCurrentClocksThrottleReasons", 4);
    return entered(d, "nvmlDeviceGetCurrentClocksThrottleReasons");
}

#ifndef OLD_DRIVER
int nvmlDeviceGetCurrentClocksEventReasons(device_t *d, unsigned long long *out) {
    *out = (unsigned long long)value_of(d, "nvmlDeviceGetCurrentClocksEventReasons", 4);
    return entered(d, "nvmlDeviceGetCurrentClocksEventReasons");
}

typedef struct { unsigned version; int sensor, temperature; } temperature_t;

int nvmlDeviceGetTemperatureV(device_t *d, temperature_t *out) {
    if (out->version != (sizeof *out | 1 << 24)) return VERSION_MISMATCH;
    return whole(d, "nvmlDeviceGetTemperature", (unsigned *)&out->temperature, 61);
}

typedef struct { unsigned version; int margin; } margin_t;

int nvmlDeviceGetMarginTemperature(device_t *d, margin_t *out) {
    if (out->version != (sizeof *out | 1 << 24)) return VERSION_MISMATCH;
    return whole(d, "nvmlDeviceGetMarginTemperature", (unsigned *)&out->margin, 26);
}

typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory2_t;

int nvmlDeviceGetMemoryInfo_v2(device_t *d, memory2_t *out) {
    if (out->version != (sizeof *out | 2 << 24)) return VERSION_MISMATCH;
    out->total = 85520809984ULL, out->reserved = 536870912ULL, out->used = 4294967296ULL;
    out->free = out->total - out->reserved - out->used;
    return entered(d, "nvmlDeviceGetMemoryInfo");
}

typedef struct {
    unsigned version;
    unsigned long long uncorrectable_parity, uncorrectable_secded, correctable;
    unsigned long long other[8];
    unsigned exceeded;
} sram_t;

int nvmlDeviceGetSramEccErrorStatus(device_t *d, sram_t *out) {
    if (out->version != (sizeof *out | 1 << 24)) return VERSION_MISMATCH;
    out->uncorrectable_parity = 1, out->uncorrectable_secded = 2, out->correctable = 30;
    return whole(d, "nvmlDeviceGetSramEccErrorStatus", &out->exceeded, 0);
}
#endif

typedef struct {
    uint32_t id, scope;
    int64_t time, latency;
    uint32_t type;
    int32_t code;
    union { double d; unsigned u; unsigned long long ull; } value;
} field_t;

static const struct { unsigned id, type; unsigned long long usual; } fields[] = {
    {3, UNSIGNED_LONG_LONG, 12}, {4, UNSIGNED_LONG_LONG, 0}, {5, UNSIGNED_LONG_LONG, 120},
    {6, UNSIGNED_LONG_LONG, 1},  {38, UNSIGNED_LONG_LONG, 0}, {45, UNSIGNED_LONG_LONG, 0},
    {52, UNSIGNED_LONG_LONG, 5}, {59, UNSIGNED_LONG_LONG, 0},
    {74, UNSIGNED_LONG_LONG, 2500000000ULL}, {75, UNSIGNED_LONG_LONG, 1500000000ULL},
    {77, UNSIGNED_LONG_LONG, 0}, {82, UNSIGNED_INT, 70},
    {83, UNSIGNED_LONG_LONG, 4742776}, {94, UNSIGNED_INT, 7}, {142, UNSIGNED_INT, 1},
    {143, UNSIGNED_INT, 0}, {144, UNSIGNED_INT, 0}, {145, UNSIGNED_INT, 0},
    {173, UNSIGNED_INT, 3}, {179, UNSIGNED_INT, 0}, {180, UNSIGNED_INT, 0},
    {230, UNSIGNED_INT, 0}, {271, UNSIGNED_LONG_LONG, 250000000ULL},
};

int nvmlDeviceGetFieldValues(device_t *d, int count, field_t *out) {
    int code = entered(d, "nvmlDeviceGetFieldValues");
    for (int i = 0; !code && i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", out[i].id);
        out[i].code = NOT_SUPPORTED;
        for (unsigned k = 0; k < sizeof fields / sizeof *fields; k++)
            if (fields[k].id == out[i].id) {
                out[i].code = entered(d, name);
                out[i].type = fields[k].type;
                out[i].value.ull = (unsigned long long)value_of(d, name, (long long)fields[k].usual);
            }
    }
    return code;
}
