/* A stand-in for NVIDIA's libnvidia-ml.so.1, for tests. It reads the cards anew at every call from the text file that
   FAKE_NVML names; tests/fake_gpus.py writes that file. Lines, one fact each:

       driver ERROR
       gpu UUID USED_MB TOTAL_MB UTILISATION TEMPERATURE MILLIWATTS ERROR NAME...
       process GPU_INDEX KIND PID MB      (KIND: c = computing, g = drawing)

   -1 means: this card does not tell. ERROR is an NVML return code, 0 = none; the driver 99 hangs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 16
enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, SMALL = 7, NO_DRIVER = 9, LOST = 15, HANGS = 99 };

typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned int gpu, memory; } Utilisation;
typedef struct { unsigned int pid; unsigned long long memory; unsigned int instance, compute; } Process;
typedef struct { char uuid[64], name[64]; long used, total, busy, heat, milliwatts; int error; } Card;
typedef struct { int card; char kind; unsigned int pid; long memory; } Holder;

static __thread Card cards[MOST]; /* each thread reads for itself */
static __thread Holder holders[64];
static __thread int card_count, holder_count, driver;
static int handles[MOST];

static int look_once(void) {
    const char *path = getenv("FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[512];
    card_count = holder_count = driver = 0;
    if (!file) return NO_DRIVER;
    while (fgets(line, sizeof line, file)) {
        Card *c = &cards[card_count];
        Holder *h = &holders[holder_count];
        if (sscanf(line, "driver %d", &driver) == 1) continue;
        if (card_count < MOST && sscanf(line, "gpu %63s %ld %ld %ld %ld %ld %d %63[^\n]", c->uuid, &c->used, &c->total,
                                        &c->busy, &c->heat, &c->milliwatts, &c->error, c->name) == 8) card_count++;
        else if (holder_count < 64 && sscanf(line, "process %d %c %u %ld", &h->card, &h->kind, &h->pid, &h->memory) == 4)
            holder_count++;
    }
    fclose(file);
    return driver;
}

static int look(void) { /* the driver 99 hangs until the file says something else */
    int code;
    while ((code = look_once()) == HANGS) usleep(20000);
    return code;
}

static int card_of(void *handle, Card **found) {
    int index = (int)((int *)handle - handles), code = look();
    if (code) return code;
    if (index < 0 || index >= card_count) return LOST;
    *found = &cards[index];
    return cards[index].error;
}

int nvmlInitWithFlags(unsigned int flags) { (void)flags; return look(); }
int nvmlInit_v2(void) { return look(); }
int nvmlShutdown(void) { return SUCCESS; }

const char *nvmlErrorString(int code) {
    switch (code) {
    case SUCCESS: return "Success";
    case UNINITIALIZED: return "Uninitialized";
    case NOT_SUPPORTED: return "Not Supported";
    case NO_DRIVER: return "Driver Not Loaded";
    case LOST: return "GPU is lost";
    default: return "Unknown Error";
    }
}

int nvmlDeviceGetCount_v2(unsigned int *count) { int code = look(); *count = (unsigned int)card_count; return code; }

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **handle) {
    if (index >= (unsigned int)card_count) return INVALID;
    *handle = &handles[index];
    return SUCCESS;
}

int nvmlDeviceGetName(void *handle, char *text, unsigned int size) {
    Card *card; int code = card_of(handle, &card);
    if (!code) snprintf(text, size, "%s", card->name);
    return code;
}

int nvmlDeviceGetUUID(void *handle, char *text, unsigned int size) {
    Card *card; int code = card_of(handle, &card);
    if (!code) snprintf(text, size, "%s", card->uuid);
    return code;
}

int nvmlDeviceGetMemoryInfo(void *handle, Memory *memory) {
    Card *card; int code = card_of(handle, &card);
    if (code) return code;
    memory->total = (unsigned long long)card->total << 20;
    memory->used = (unsigned long long)card->used << 20;
    memory->free = memory->total - memory->used;
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(void *handle, Utilisation *utilisation) {
    Card *card; int code = card_of(handle, &card);
    if (code) return code;
    if (card->busy < 0) return NOT_SUPPORTED;
    utilisation->gpu = (unsigned int)card->busy;
    utilisation->memory = 0;
    return SUCCESS;
}

int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned int *degrees) {
    Card *card; int code = card_of(handle, &card);
    (void)sensor;
    if (code) return code;
    if (card->heat < 0) return NOT_SUPPORTED;
    *degrees = (unsigned int)card->heat;
    return SUCCESS;
}

int nvmlDeviceGetPowerUsage(void *handle, unsigned int *milliwatts) {
    Card *card; int code = card_of(handle, &card);
    if (code) return code;
    if (card->milliwatts < 0) return NOT_SUPPORTED;
    *milliwatts = (unsigned int)card->milliwatts;
    return SUCCESS;
}

static int list(void *handle, char kind, unsigned int *count, Process *processes) {
    Card *card; int code = card_of(handle, &card);
    unsigned int room = *count, found = 0;
    if (code) return code;
    for (int i = 0; i < holder_count; i++) {
        if (holders[i].card != card - cards || holders[i].kind != kind) continue;
        if (processes && found < room) {
            processes[found].pid = holders[i].pid;
            processes[found].memory = holders[i].memory < 0 ? ~0ULL : (unsigned long long)holders[i].memory << 20;
        }
        found++;
    }
    *count = found;
    return found > room ? SMALL : SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned int *count, Process *processes) {
    return list(handle, 'c', count, processes);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(void *handle, unsigned int *count, Process *processes) {
    return list(handle, 'g', count, processes);
}
